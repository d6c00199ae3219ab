import { useEffect, useRef, type RefObject } from 'react'

/**
 * useGoOn returns what is told at which line a list is about to grow, and by what: once it has grown, the focus is at
 * the link of that line. Where the growing fails the focus stays, and the failure is passed on.
 */
export function useGoOn(list: RefObject<HTMLElement | null>, length: number) {
  const at = useRef<number>(undefined)
  useEffect(() => {
    if (at.current === undefined) return
    list.current?.children[at.current]?.querySelector('a')?.focus()
    at.current = undefined
  }, [list, length])

  return async (line: number, growing?: Promise<unknown>) => {
    at.current = line
    try {
      await growing
    } catch (error) {
      at.current = undefined
      throw error
    }
  }
}
