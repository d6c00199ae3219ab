import { useMutation, useQuery } from '@apollo/client/react'
import { useDocumentVisibility } from '@mantine/hooks'
import { useCallback, useEffect, useEffectEvent } from 'react'
import { useLocation } from 'react-router'

import { markRead } from '../../gql/notification-cache'
import { MarkNotificationsReadDocument, NotificationsDocument, type NotificationFieldsFragment } from '../../gql/operations'

/** useNotifications is what happened for the viewer, the newest first. */
export function useNotifications() {
  const { data, loading, error, refetch, fetchMore } = useQuery(NotificationsDocument, {
    fetchPolicy: 'cache-and-network',
    nextFetchPolicy: 'cache-first',
  })
  const page = data?.notifications
  return {
    items: page?.edges?.flatMap((edge) => edge?.node ?? []) ?? [],
    unreadCount: page?.unreadCount ?? 0,
    loading: loading && !page,
    error: page ? undefined : error,
    retry: () => void refetch(),
    more: page?.pageInfo.hasNextPage ? () => fetchMore({ variables: { after: page.pageInfo.endCursor } }) : undefined,
  }
}

/**
 * useMarkRead marks notifications as read, on the screen at once: nobody else can want them unread, so nothing can go wrong.
 * Where the server cannot be reached they are unread again.
 */
export function useMarkRead() {
  const [mark] = useMutation(MarkNotificationsReadDocument)
  return useCallback(
    (input: { ids: string[] } | { upTo: string }, items: NotificationFieldsFragment[], unreadAfter: number) => {
      const ids = items.map(({ id }) => id)
      const readAt = new Date().toISOString()
      const payload = { __typename: 'MarkNotificationsReadPayload' as const, marked: ids.length, unreadCount: unreadAfter }
      mark({
        variables: { input },
        optimisticResponse: { markNotificationsRead: payload },
        update: (cache, { data }) => markRead(cache, ids, readAt, data?.markNotificationsRead.unreadCount ?? unreadAfter),
      }).catch(() => undefined)
    },
    [mark],
  )
}

/** useMarkAllRead marks everything as read, also what is not loaded; undefined where nothing is unread. */
export function useMarkAllRead(): (() => void) | undefined {
  const { items, unreadCount } = useNotifications()
  const mark = useMarkRead()
  const newest = items[0]
  return newest && unreadCount > 0 ? () => mark({ upTo: newest.id }, items, 0) : undefined
}

/** The API takes so many ids at a time. */
const idsAtOnce = 100

/** useReadOnSight marks what the viewer has seen or done by other ways than the bell: the request on the screen, and what is answered. */
export function useReadOnSight() {
  const { items, unreadCount } = useNotifications()
  const mark = useMarkRead()
  const visible = useDocumentVisibility() === 'visible'
  const { pathname } = useLocation()

  const seen = items.filter(({ readAt, kind, request }) => {
    if (readAt || !request) return false
    return pathname === `/requests/${request.id}` || (kind === 'KNOWLEDGE_REQUEST' && request.status !== 'PENDING')
  })
  const markSeen = useEffectEvent(() => {
    const some = seen.slice(0, idsAtOnce)
    mark({ ids: some.map(({ id }) => id) }, some, Math.max(0, unreadCount - some.length))
  })
  const ids = seen.map(({ id }) => id).join(' ')
  useEffect(() => {
    if (visible && ids) markSeen()
  }, [visible, ids])
}
