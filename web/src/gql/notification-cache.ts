import type { ApolloCache } from '@apollo/client'

import { NotificationsDocument, type NotificationFieldsFragment } from './operations'

/**
 * putNotification adds a new notification on top of the cached list and counts it. It does not change one that is
 * already there.
 */
export function putNotification(cache: ApolloCache, notification: NotificationFieldsFragment) {
  cache.updateQuery({ query: NotificationsDocument }, (data) => {
    if (!data?.notifications || has(data.notifications.edges, notification.id)) return data
    const { edges, unreadCount } = data.notifications
    const node = { __typename: 'Notification' as const, ...notification }
    const edge = { __typename: 'NotificationEdge' as const, node }
    return {
      ...data,
      notifications: { ...data.notifications, unreadCount: unreadCount + 1, edges: [edge, ...edges] },
    }
  })
}

/** markRead marks notifications as read in the cache, and sets the number of unread ones. */
export function markRead(cache: ApolloCache, ids: string[], readAt: string, unreadCount: number) {
  cache.updateQuery({ query: NotificationsDocument }, (data) => {
    if (!data?.notifications) return data
    const edges = data.notifications.edges.map((edge) => {
      if (edge.node.readAt || !ids.includes(edge.node.id)) return edge
      return { ...edge, node: { ...edge.node, readAt } }
    })
    return { ...data, notifications: { ...data.notifications, unreadCount, edges } }
  })
}

function has(edges: { node: { id: string } }[], id: string): boolean {
  return edges.some(({ node }) => node.id === id)
}
