import { useEffect, useRef, type RefObject } from 'react'

/**
 * useFocusAfterGrowth returns a function for "show more". Call it with the index of the first new item and the
 * promise of the growth. When the list has grown, the focus moves to the link of that item. If the growth fails, the
 * focus stays, and the function rejects.
 */
export function useFocusAfterGrowth(list: RefObject<HTMLElement | null>, length: number) {
  const at = useRef<number>(undefined)
  useEffect(() => {
    if (at.current === undefined) return
    list.current?.children[at.current]?.querySelector('a')?.focus()
    at.current = undefined
  }, [list, length])

  return async (index: number, growing?: Promise<unknown>) => {
    at.current = index
    try {
      await growing
    } catch (error) {
      at.current = undefined
      throw error
    }
  }
}
