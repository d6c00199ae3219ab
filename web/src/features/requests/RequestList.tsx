import { useLayoutEffect, useRef, type FocusEvent, type ReactNode } from 'react'

import type { RequestFieldsFragment } from '../../gql/operations'
import cardClasses from '../../ui/Card.module.css'
import { ShowMore } from '../../ui/ShowMore'
import { headingOf, RequestCard } from './RequestCard'

interface RequestListProps {
  label: string
  requests: RequestFieldsFragment[]
  viewerId: string
  /** Shown if there is no request. */
  empty: ReactNode
  /** Fetches the next page, if there is one. */
  more?: () => Promise<unknown>
}

/**
 * RequestList shows requests, the newest on top. When a card with the focus leaves, the focus moves to another one.
 */
export function RequestList({ label, requests, viewerId, empty, more }: RequestListProps) {
  const ids = requests.map((request) => request.id)
  const { follow, focusAfter } = useFocusAmong(ids)

  return (
    <>
      {ids.length === 0 && empty}
      {ids.length > 0 && (
        <ul className={cardClasses.list} aria-label={label}>
          {requests.map((request) => (
            <li key={request.id} {...follow(request.id)}>
              <RequestCard request={request} viewerId={viewerId} />
            </li>
          ))}
        </ul>
      )}
      {more && <ShowMore more={() => focusAfter(ids.at(-1), more())} />}
    </>
  )
}

/**
 * useFocusAmong moves the focus when the focused card leaves the list, because it was answered here or on another
 * device: to the next card, or else to the previous one, or else to the page's heading. `focusAfter` moves it to the
 * first card of a new page, unless fetching that page fails.
 */
function useFocusAmong(ids: string[]) {
  const focused = useRef<string>(undefined)
  const lastBefore = useRef<string>(undefined)
  const shown = useRef(ids)
  useLayoutEffect(() => {
    const before = shown.current
    shown.current = ids
    const arrived = lastBefore.current === undefined ? undefined : ids[ids.indexOf(lastBefore.current) + 1]
    if (arrived !== undefined) {
      lastBefore.current = undefined
      document.getElementById(headingOf(arrived))?.focus()
    }

    const left = focused.current
    if (left === undefined || ids.includes(left)) return
    focused.current = undefined
    const place = before.indexOf(left)
    const stays = (id: string) => ids.includes(id)
    const next = before.slice(place + 1).find(stays) ?? before.slice(0, place).findLast(stays)
    const heading = next === undefined ? document.querySelector('h1') : document.getElementById(headingOf(next))
    heading?.focus()
  })

  const follow = (id: string) => ({
    onFocus: () => {
      focused.current = id
    },
    onBlur: (event: FocusEvent) => {
      if (!event.currentTarget.contains(event.relatedTarget)) focused.current = undefined
    },
  })
  const focusAfter = async (id: string | undefined, growing: Promise<unknown>) => {
    lastBefore.current = id
    try {
      await growing
    } catch (error) {
      lastBefore.current = undefined
      throw error
    }
  }
  return { follow, focusAfter }
}
