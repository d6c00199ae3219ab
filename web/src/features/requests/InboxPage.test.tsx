import { ApolloClient, ApolloLink } from '@apollo/client'
import { ApolloProvider } from '@apollo/client/react'
import { Notifications, notifications } from '@mantine/notifications'
import { act, cleanup, fireEvent, screen, waitFor, within } from '@testing-library/react'
import { GraphQLError } from 'graphql'
import { Router } from 'wouter'
import { memoryLocation } from 'wouter/memory-location'
import { Observable } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { newCache } from '../../cache'
import { MeDocument, RequestsDocument, type RequestFieldsFragment } from '../../gql/operations'
import { putRequest } from '../../gql/request-cache'
import { asked, bob } from '../../gql/testing/request'
import { show } from '../../ui/testing/show'
import { DraftsProvider } from './drafts'
import { InboxPage } from './InboxPage'

/** Server answers as Lorebridge does. `waiting` are its requests. A test releases each answer. */
class Server {
  waiting = [asked(3), asked(2), asked(1)]
  hasMore = false
  isDown = false
  present = new Map<string, RequestFieldsFragment>()
  sent: unknown[] = []
  #answers: ((result: ApolloLink.Result) => void)[] = []

  link = new ApolloLink(
    (operation) =>
      new Observable<ApolloLink.Result>((observer) => {
        const answer = (result: ApolloLink.Result) => {
          observer.next(result)
          observer.complete()
        }
        if (this.isDown) observer.error(new TypeError('Failed to fetch'))
        else if (operation.operationName === 'Requests') answer({ data: connection(this.waiting, this.hasMore) })
        else if (operation.operationName === 'Request') answer({ data: { node: this.present.get(String(operation.variables.id)) } })
        else {
          this.sent.push(operation.variables.input)
          this.#answers.push(answer)
        }
      }),
  )

  answer(result: ApolloLink.Result) {
    return act(async () => {
      this.#answers.shift()?.(result)
      await Promise.resolve()
    })
  }
}

const connection = (requests: RequestFieldsFragment[], hasNextPage: boolean) => ({
  knowledgeRequests: {
    __typename: 'KnowledgeRequestConnection',
    edges: requests.map((node) => ({ __typename: 'KnowledgeRequestEdge', node })),
    pageInfo: { __typename: 'PageInfo', hasNextPage, endCursor: null },
  },
})

const responded = (request: RequestFieldsFragment) => ({
  data: { respondToRequest: { __typename: 'RespondToRequestPayload', knowledgeRequest: request } },
})

const rejected = (code: string) => ({ data: null, errors: [new GraphQLError('no', { extensions: { code } })] })

describe('the inbox', () => {
  let server: Server
  let client: ApolloClient
  beforeEach(async () => {
    server = new Server()
    client = new ApolloClient({ cache: newCache(), link: server.link })
    const viewer = { __typename: 'Viewer' as const, email: 'bob@example.com', user: bob }
    client.writeQuery({ query: MeDocument, data: { viewer } })
    show(
      <ApolloProvider client={client}>
        <Notifications />
        <Router {...memoryLocation({ path: '/inbox' })}>
          <DraftsProvider>
            <InboxPage />
          </DraftsProvider>
        </Router>
      </ApolloProvider>,
    )
    await screen.findByText('Question 3')
  })
  afterEach(() => {
    notifications.clean()
    cleanup()
  })

  const card = (n: number) => screen.getByText(`Question ${n}`).closest('article')!
  const field = (n: number) => within(card(n)).getByRole<HTMLTextAreaElement>('textbox', { name: 'Answer (optional)' })
  const heading = (n: number) => within(card(n)).getByRole('heading')
  const shown = () => screen.queryAllByText(/^Question \d$/).map((text) => text.textContent.replace('Question ', ''))
  const showsSoon = (...expected: string[]) => waitFor(() => expect(shown()).toEqual(expected))
  const press = (n: number, name: string) => {
    const button = within(card(n)).getByRole('button', { name })
    button.focus()
    fireEvent.click(button)
  }
  const write = (n: number, text: string) => {
    field(n).focus()
    fireEvent.change(field(n), { target: { value: text } })
  }
  const put = (request: RequestFieldsFragment) => act(() => putRequest(client.cache, request, bob.id))

  it('keeps the focus and a half-typed answer when a new request comes', async () => {
    write(3, 'Half of')
    const before = field(3)
    put(asked(4))
    await showsSoon('4', '3', '2', '1')
    expect(field(3)).toBe(before)
    expect(document.activeElement).toBe(before)
    expect(before.value).toBe('Half of')
  })

  it('sends at once, removes the card, shows a toast, and moves the focus to the next card, or at last to the heading', async () => {
    write(2, ' Here. ')
    press(2, 'Approve')
    expect(server.sent).toEqual([{ requestId: '2', status: 'APPROVED', responseContent: 'Here.' }])
    expect(shown()).toEqual(['3', '2', '1'])
    await server.answer(responded(asked(2, 'APPROVED', 'Here.')))
    await showsSoon('3', '1')
    expect(document.activeElement).toBe(heading(1))
    expect(await screen.findByText('Approved. Ada was told.')).toBeTruthy()

    press(1, 'Deny')
    expect(server.sent[1]).toEqual({ requestId: '1', status: 'DENIED', responseContent: null })
    await server.answer(responded(asked(1, 'DENIED')))
    await waitFor(() => expect(document.activeElement).toBe(heading(3)))
    press(3, 'Deny')
    await server.answer(responded(asked(3, 'DENIED')))
    await showsSoon()
    expect(document.activeElement).toBe(screen.getByRole('heading', { level: 1 }))
  })

  it('sends one answer, however often it is pressed', () => {
    press(2, 'Approve')
    press(2, 'Deny')
    expect(server.sent).toHaveLength(1)
  })

  it('leaves the focus alone if it has moved meanwhile', async () => {
    press(3, 'Approve')
    write(1, 'Already here')
    await server.answer(responded(asked(3, 'APPROVED')))
    await showsSoon('2', '1')
    expect(document.activeElement).toBe(field(1))
  })

  it('works if the event of its own answer is faster than the response', async () => {
    write(2, 'Here.')
    press(2, 'Approve')
    put(asked(2, 'APPROVED', 'Here.'))
    await showsSoon('3', '1')
    await server.answer(responded(asked(2, 'APPROVED', 'Here.')))
    await showsSoon('3', '1')
  })

  it('returns the text if another device has answered meanwhile', async () => {
    write(2, 'Never sent')
    put(asked(2, 'DENIED', 'From the other one'))
    expect(await within(card(2)).findByText('From the other one')).toBeTruthy()
    expect(within(card(2)).getByText('Never sent')).toBeTruthy()
    expect(shown()).toEqual(['3', '2', '1'])
    expect(document.activeElement).toBe(heading(2))

    press(2, 'Discard the text')
    await showsSoon('3', '1')
    expect(document.activeElement).toBe(heading(1))
  })

  it('shows the answer if another device was first, and keeps the text', async () => {
    server.present.set('2', asked(2, 'DENIED', 'From the other one'))
    write(2, 'Too late')
    press(2, 'Approve')
    await server.answer(rejected('ALREADY_ANSWERED'))
    expect(await screen.findByText('This was answered already')).toBeTruthy()
    expect(within(card(2)).getByText('From the other one')).toBeTruthy()
    expect(within(card(2)).getByText('Too late')).toBeTruthy()
  })

  it('keeps a text that could not be sent, and sends it again', async () => {
    write(2, 'Kept')
    press(2, 'Approve')
    await server.answer(rejected('RATE_LIMITED'))
    expect(within(card(2)).getByRole('alert')).toBeTruthy()
    expect(field(2).value).toBe('Kept')
    press(2, 'Approve')
    expect(server.sent).toHaveLength(2)
  })

  it('keeps the card with a text when the list is fetched again and is shorter', async () => {
    write(1, 'Half of')
    const before = field(1)
    server.waiting = [asked(3)]
    await act(() => client.refetchQueries({ include: [RequestsDocument] }))
    await showsSoon('3', '1')
    expect(field(1)).toBe(before)
    expect(document.activeElement).toBe(before)
  })

  it('shows more with the focus there, and keeps the shown cards if more cannot be fetched', async () => {
    server.hasMore = true
    await act(() => client.refetchQueries({ include: [RequestsDocument] }))
    server.isDown = true
    fireEvent.click(await screen.findByRole('button', { name: 'Show more' }))
    expect(await screen.findByText('More could not be loaded')).toBeTruthy()
    expect(screen.getAllByRole('alert')).toHaveLength(1)
    expect(shown()).toEqual(['3', '2', '1'])

    server.isDown = false
    server.waiting = [asked(3), asked(2), asked(1), asked(0)]
    server.hasMore = false
    fireEvent.click(screen.getByRole('button', { name: 'Try again' }))
    await showsSoon('3', '2', '1', '0')
    expect(document.activeElement).toBe(heading(0))
    expect(screen.queryByRole('alert')).toBeNull()
  })

  it('rejects more than 64 KiB, counted in bytes, before it sends', () => {
    write(1, 'é'.repeat(32 * 1024 + 1))
    press(1, 'Approve')
    expect(server.sent).toEqual([])
    expect(within(card(1)).getByText('This is longer than 64 KiB. Shorten it.')).toBeTruthy()
    expect(within(card(1)).getByText('2 bytes too long.')).toBeTruthy()
    expect(document.activeElement).toBe(field(1))
  })
})
