import type { ApolloCache } from '@apollo/client'
import { beforeEach, expect, it } from 'vitest'

import { newCache } from '../cache'
import { markRead, putNotification } from './notification-cache'
import { NotificationsDocument, type NotificationFieldsFragment, type NotificationsQuery } from './operations'

let cache: ApolloCache
beforeEach(() => {
  cache = newCache()
})

/** told is the n-th notification: that a request is gone. */
function told(n: number): NotificationFieldsFragment {
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
  load(1, told(1))
  putNotification(cache, told(2))
  putNotification(cache, told(2))
  expect(loaded()).toEqual({
    unread: 2,
    list: [
      ['2', null],
      ['1', null],
    ],
  })
})

it('leaves a list alone that was never loaded', () => {
  putNotification(cache, told(1))
  markRead(cache, ['1'], '2026-11-23T11:00:00.000Z', 0)
  expect(loaded()).toBeUndefined()
})

it('marks those that are named, keeps when others were read, and takes the count that it is given', () => {
  load(3, told(3), told(2), { ...told(1), readAt: '2026-11-23T10:30:00.000Z' })
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
