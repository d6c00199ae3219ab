import { useEffect, useEffectEvent } from 'react'

/** Who was away for less than this, in milliseconds, has missed nothing that matters: only reading on another device tells nobody. */
const awayLongEnough = 15_000

/** useReturns calls back when the person comes back to the page: from another tab, another window or a phone's lock. */
export function useReturns(callback: () => void) {
  const onReturn = useEffectEvent(callback)
  useEffect(() => {
    let left = 0
    const changed = () => {
      if (document.visibilityState === 'hidden') left = Date.now()
      else if (Date.now() - left > awayLongEnough) onReturn()
    }
    document.addEventListener('visibilitychange', changed)
    return () => document.removeEventListener('visibilitychange', changed)
  }, [])
}
