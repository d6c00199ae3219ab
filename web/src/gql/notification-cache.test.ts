import type { ApolloCache } from '@apollo/client'
import { beforeEach, expect, it } from 'vitest'

import { newCache } from '../cache'
import { markRead, putNotification } from './notification-cache'
import { NotificationsDocument, type NotificationFieldsFragment, type NotificationsQuery } from './operations'

let cache: ApolloCache
beforeEach(() => {
  cache = newCache()
})

/** notification returns the n-th notification, whose request no longer exists. */
function notification(n: number): NotificationFieldsFragment {
  const createdAt = `2026-11-23T10:00:0${n}.000Z`
  return { id: String(n), kind: 'KNOWLEDGE_REQUEST', createdAt, readAt: null, request: null }
}

function load(unreadCount: number, ...notifications: NotificationFieldsFragment[]) {
  const data = {
    notifications: {
      __typename: 'NotificationConnection',
      unreadCount,
      edges: notifications.map((node) => ({
        __typename: 'NotificationEdge',
        node: { __typename: 'Notification', ...node },
      })),
      pageInfo: { __typename: 'PageInfo', hasNextPage: false, endCursor: null },
    },
  }
  cache.writeQuery<NotificationsQuery>({ query: NotificationsDocument, data })
}

function loaded() {
  const page = cache.readQuery({ query: NotificationsDocument })?.notifications
  return page && { unread: page.unreadCount, list: page.edges.map(({ node }) => [node.id, node.readAt]) }
}

it('puts a notification on top of the list and counts it, once', () => {
  load(1, notification(1))
  putNotification(cache, notification(2))
  putNotification(cache, notification(2))
  expect(loaded()).toEqual({
    unread: 2,
    list: [
      ['2', null],
      ['1', null],
    ],
  })
})

it('leaves a list alone that was never loaded', () => {
  putNotification(cache, notification(1))
  markRead(cache, ['1'], '2026-11-23T11:00:00.000Z', 0)
  expect(loaded()).toBeUndefined()
})

it('marks the given ones, keeps when others were read, and sets the given count', () => {
  load(3, notification(3), notification(2), { ...notification(1), readAt: '2026-11-23T10:30:00.000Z' })
  markRead(cache, ['1', '3'], '2026-11-23T11:00:00.000Z', 1)
  expect(loaded()).toEqual({
    unread: 1,
    list: [
      ['3', '2026-11-23T11:00:00.000Z'],
      ['2', null],
      ['1', '2026-11-23T10:30:00.000Z'],
    ],
  })
})
