import { useEffect, useEffectEvent } from 'react'

/** A shorter absence, in milliseconds, needs no refresh, because only reading on another device causes no event. */
const awayLongEnough = 15_000

/**
 * useReturns calls back when the person comes back to the page: from another tab, from another window or after a
 * phone's lock.
 */
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
