import { ApolloClient, ApolloLink } from '@apollo/client'
import { ApolloProvider } from '@apollo/client/react'
import { act, cleanup, fireEvent, screen } from '@testing-library/react'
import { Observable } from 'rxjs'
import { afterEach, beforeEach, expect, it } from 'vitest'

import { newCache } from '../../cache'
import { show } from '../../ui/testing/show'
import { NotificationsPage } from './NotificationsPage'

const notification = (n: number) => ({
  __typename: 'Notification',
  id: String(n),
  kind: 'KNOWLEDGE_REQUEST',
  createdAt: `2026-11-23T10:00:0${n}.000Z`,
  readAt: null,
  request: null,
})
const list = {
  notifications: {
    __typename: 'NotificationConnection',
    unreadCount: 2,
    edges: [notification(2), notification(1)].map((node) => ({ __typename: 'NotificationEdge', node })),
    pageInfo: { __typename: 'PageInfo', hasNextPage: false, endCursor: null },
  },
}
const marked = { markNotificationsRead: { __typename: 'MarkNotificationsReadPayload', marked: 2, unreadCount: 0 } }

let sent: unknown[]
/** The observer for the server's answer. */
let answer: { next: (result: ApolloLink.Result) => void; error: (error: unknown) => void; complete: () => void }
const settle = (how: () => void) =>
  act(async () => {
    how()
    await Promise.resolve()
  })
const unread = () => screen.queryAllByText(', unread').length

beforeEach(async () => {
  sent = []
  const link = new ApolloLink(
    (operation) =>
      new Observable<ApolloLink.Result>((observer) => {
        if (operation.operationName === 'Notifications') {
          observer.next({ data: list })
          observer.complete()
          return
        }
        sent.push(operation.variables.input)
        answer = observer
      }),
  )
  show(
    <ApolloProvider client={new ApolloClient({ cache: newCache(), link })}>
      <NotificationsPage />
    </ApolloProvider>,
  )
  const markAll = await screen.findByRole('button', { name: 'Mark all as read' })
  expect(unread()).toBe(2)
  fireEvent.click(markAll)
})
afterEach(cleanup)

it('marks all as read on the screen at once, and the server agrees', async () => {
  expect(unread()).toBe(0)
  expect(screen.queryByRole('button', { name: 'Mark all as read' })).toBeNull()
  expect(sent).toEqual([{ upTo: '2' }])
  await settle(() => {
    answer.next({ data: marked })
    answer.complete()
  })
  expect(unread()).toBe(0)
})

it('makes them unread again if the server cannot be reached', async () => {
  expect(unread()).toBe(0)
  await settle(() => answer.error(new TypeError('Failed to fetch')))
  expect(unread()).toBe(2)
  expect(screen.getByRole('button', { name: 'Mark all as read' })).toBeTruthy()
})
