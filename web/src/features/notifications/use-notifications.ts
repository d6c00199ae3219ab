import { useMutation, useQuery } from '@apollo/client/react'
import { useDocumentVisibility } from '@mantine/hooks'
import { useCallback, useEffect, useEffectEvent, useRef } from 'react'
import { useLocation } from 'wouter'

import { markRead } from '../../gql/notification-cache'
import { MarkNotificationsReadDocument, NotificationsDocument, type NotificationFieldsFragment } from '../../gql/operations'
import { handledElsewhere } from '../../ui/errors'

/** useNotifications returns the viewer's notifications, the newest first. */
export function useNotifications() {
  const { data, previousData, loading, error, refetch, fetchMore } = useQuery(NotificationsDocument, {
    fetchPolicy: 'cache-and-network',
    nextFetchPolicy: 'cache-first',
  })
  // If a later fetch fails, the previous data stays.
  const page = (data ?? previousData)?.notifications
  return {
    items: page?.edges.map(({ node }) => node) ?? [],
    unreadCount: page?.unreadCount ?? 0,
    loading: loading && !page,
    error: page ? undefined : error,
    retry: () => void refetch().catch(handledElsewhere),
    more: page?.pageInfo.hasNextPage ? () => fetchMore({ variables: { after: page.pageInfo.endCursor } }) : undefined,
  }
}

/**
 * useMarkRead marks notifications as read, at once on the screen, because nobody else changes them. They become
 * unread again if the server cannot be reached.
 */
function useMarkRead() {
  const [mark] = useMutation(MarkNotificationsReadDocument)
  return useCallback(
    (input: { ids: string[] } | { upTo: string }, items: NotificationFieldsFragment[], unreadAfter: number) => {
      const ids = items.map(({ id }) => id)
      const readAt = new Date().toISOString()
      const payload = { __typename: 'MarkNotificationsReadPayload' as const, marked: ids.length, unreadCount: unreadAfter }
      mark({
        variables: { input },
        optimisticResponse: { markNotificationsRead: payload },
        update: (cache, { data }) => markRead(cache, ids, readAt, data?.markNotificationsRead?.unreadCount ?? unreadAfter),
      }).catch(handledElsewhere)
    },
    [mark],
  )
}

/**
 * useMarkAllRead returns a function that marks everything as read, also what is not loaded. It is undefined if
 * nothing is unread.
 */
export function useMarkAllRead(): (() => void) | undefined {
  const { items, unreadCount } = useNotifications()
  const mark = useMarkRead()
  const newest = items[0]
  return newest && unreadCount > 0 ? () => mark({ upTo: newest.id }, items, 0) : undefined
}

/** The API takes at most this many ids in one call. */
const idsAtOnce = 100

/**
 * useReadOnSight marks notifications as read that the viewer has seen without the bell: those of the request on the
 * screen, and those of answered requests.
 */
export function useReadOnSight() {
  const { items, unreadCount } = useNotifications()
  const mark = useMarkRead()
  const visible = useDocumentVisibility() === 'visible'
  const [pathname] = useLocation()

  const seen = items.filter(({ readAt, kind, request }) => {
    if (readAt || !request) return false
    return pathname === `/requests/${request.id}` || (kind === 'KNOWLEDGE_REQUEST' && request.status !== 'PENDING')
  })
  // An id that could not be marked appears again at once. It is retried when the page is next shown.
  const tried = useRef(new Set<string>())
  const markSeen = useEffectEvent(() => {
    const some = seen.filter(({ id }) => !tried.current.has(id)).slice(0, idsAtOnce)
    if (some.length === 0) return
    some.forEach(({ id }) => tried.current.add(id))
    mark({ ids: some.map(({ id }) => id) }, some, Math.max(0, unreadCount - some.length))
  })
  const ids = seen.map(({ id }) => id).join(' ')
  useEffect(() => {
    if (visible) markSeen()
    else tried.current.clear()
  }, [visible, ids])
}
