import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { renderHook } from '@testing-library/react'
import Pusher from 'pusher-js/with-encryption'
import { gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { ChannelsLink, type ChannelsLinkOptions } from './channels-link.js'
import type { PusherConnectionOptions } from './options.js'
import { PusherSource } from './pusher-source.js'
import { RefusedError } from './refused-error.js'
import { Person } from '../../../testing/person'
import { openGate, openLine, sharedServer, startServer, until } from '../../../testing/run'
import type { Server } from '../../../testing/server'
import { usePusher } from './use-pusher.js'

const published = gql`subscription { knowledgePublished { id title content } }`
const changed = gql`subscription ($id: ID!) { knowledgeRequestChanged(id: $id) { id status responseContent } }`

type Address = Partial<PusherConnectionOptions>

/** openPusher is a person's connection, as an app would make it that knows nothing of us. It ends with the test. */
function openPusher({ realtime, headers }: Pick<Person, 'realtime' | 'headers'>, at: Address = {}): Pusher {
  const { key, host, port, tls, authEndpoint } = { ...realtime, ...at }
  const pusher = new Pusher(key, {
    cluster: '', wsHost: host ?? '', wsPort: port ?? 0, forceTLS: tls ?? true, enabledTransports: ['ws'],
    channelAuthorization: { transport: 'ajax', endpoint: authEndpoint, headers },
  })
  onTestFinished(() => pusher.disconnect())
  return pusher
}

interface Connection<P = ChannelsLinkOptions['pusher']> {
  pusher?: P
  url?: string // of the GraphQL server
}

/** Watcher has subscribed through a link, and keeps what it is told. */
class Watcher {
  results: ApolloLink.Result[] = []
  end: 'complete' | Error | null = null
  /** The answers to the POSTs: their requests, each with its channel. */
  channels: string[] = []
  requests: RequestInit[] = []
  readonly pusher: Pusher
  readonly unsubscribe: () => void

  constructor(
    person: Person,
    operation: ApolloLink.Request,
    { get, ...connection }: Connection<() => Pusher> & { get?: PusherSource['get'] },
  ) {
    this.pusher = connection.pusher?.() ?? openPusher(person)
    const link = linkOf(person, { ...connection, pusher: get ?? (() => this.pusher) }, (request, answer) => {
      this.requests.push(request)
      const channel = answer.headers.get('X-Subscription-ID')
      if (channel) this.channels.push(channel)
    })
    const client = new ApolloClient({ link, cache: new InMemoryCache() })
    const subscription = ApolloLink.execute(link, operation, { client }).subscribe({
      next: (result) => void this.results.push(result),
      error: (error: Error) => void (this.end = error),
      complete: () => void (this.end = 'complete'),
    })
    this.unsubscribe = () => subscription.unsubscribe()
    onTestFinished(this.unsubscribe)
  }

  get channel(): string {
    return this.channels.at(-1) ?? ''
  }

  titles(): unknown[] {
    return this.results.map((result) => knowledgeIn(result)?.title ?? codeIn(result))
  }

  joined(): Promise<unknown> {
    const joined = () => this.pusher.allChannels().filter(({ subscribed }) => subscribed).map(({ name }) => name)
    return until(() => expect(joined()).toContain(this.channel))
  }
}

function codeIn({ errors = [] }: ApolloLink.Result): unknown {
  return errors.map(({ extensions }) => extensions?.code).join()
}

function knowledgeIn({ data }: ApolloLink.Result): { title: string; content: string } | undefined {
  return (data as { knowledgePublished?: { title: string; content: string } } | null | undefined)?.knowledgePublished
}

function linkOf(
  { headers, server }: Person,
  { pusher = () => Promise.reject(new Error('nobody needs Pusher')), url = server.url }: Connection,
  onAnswer: (request: RequestInit, answer: Response) => void = () => {},
): ApolloLink {
  return ApolloLink.from([
    new ApolloLink((operation, forward) => {
      operation.setContext({ headers })
      return forward(operation)
    }),
    new ChannelsLink({ pusher }),
    new HttpLink({
      uri: `${url}/graphql`,
      fetch: async (input, init = {}) => {
        const answer = await fetch(input, init)
        onAnswer(init, answer)
        return answer
      },
    }),
  ])
}

async function watch(
  person: Person,
  query = published,
  variables = {},
  connection: Connection<() => Pusher> = {},
): Promise<Watcher> {
  const watcher = new Watcher(person, { query, variables }, connection)
  await watcher.joined()
  return watcher
}

function signUp(server: Server = sharedServer(), name = 'Ada'): Promise<Person> {
  return Person.signUp(server, name)
}

/** noise cannot be compressed by much. */
function noise(length: number): string {
  return Array.from({ length }, () => String.fromCharCode(33 + Math.floor(Math.random() * 94))).join('')
}

/** update is what the server would send. */
function update(seq: number, title: string, more = true) {
  return { result: { data: { knowledgePublished: { title } }, extensions: { subscription: { seq } } }, more }
}

describe('ChannelsLink', () => {
  it('lets queries and mutations through', async () => {
    const ada = await signUp()
    const client = new ApolloClient({ link: linkOf(ada, {}), cache: new InMemoryCache() })
    const me = await client.query({ query: gql`{ me { id } }` })
    expect(me.data).toMatchObject({ me: { id: ada.id } })
    const signedOut = await client.mutate({ mutation: gql`mutation { signOut { signedOut } }` })
    expect(signedOut.data).toMatchObject({ signOut: { signedOut: true } })
  })

  it('emits each update in order, and nothing before the first', async () => {
    const server = await startServer()
    const ada = await signUp(server)
    const watcher = await watch(ada)
    expect(watcher.requests[0]?.headers).toMatchObject({
      'x-subscription-protocol': 'graphql-ruby', 'x-subscription-compress': 'gzip',
    })
    for (const title of ['one', 'two', 'three']) await ada.publishKnowledge(title, 'short')
    await until(() => expect(watcher.titles()).toEqual(['one', 'two', 'three']))
    expect(watcher.end).toBeNull()
  })

  it('emits the first value of the subscription and its last one, and completes', async () => {
    const [ada, bob] = await Promise.all([signUp(), signUp(undefined, 'Bob')])
    const id = await ada.ask(bob, 'What is a monad?')
    const watcher = await watch(ada, changed, { id })
    expect(watcher.results.map(({ data }) => data)).toEqual([
      { knowledgeRequestChanged: expect.objectContaining({ id, status: 'PENDING', responseContent: null }) as object },
    ])
    await bob.answer(id, 'APPROVED', 'A burrito.')
    await until(() => expect(watcher.end).toBe('complete'))
    expect(watcher.results).toHaveLength(2)
    expect(watcher.results[1]?.data).toMatchObject({
      knowledgeRequestChanged: { id, status: 'APPROVED', responseContent: 'A burrito.' },
    })
    expect(watcher.pusher.allChannels()).toEqual([])
    await until(async () => expect(await sharedServer().channels()).not.toContain(watcher.channel))

    const late = new Watcher(ada, { query: changed, variables: { id } }, { pusher: () => watcher.pusher })
    await until(() => expect(late.end).toBe('complete')) // there is no channel: the answer was all there is
    expect(late.results).toHaveLength(1)
    expect([late.channels, watcher.pusher.allChannels()]).toEqual([[], []])
  })

  it('unpacks large results, in order', async () => {
    const server = await startServer()
    const ada = await signUp(server)
    const watcher = await watch(ada)
    const payloads: { compressed_result?: string }[] = []
    watcher.pusher.channel(watcher.channel).bind('update', (payload: object) => void payloads.push(payload))
    await ada.publishKnowledge('large', 'é'.repeat(20_000))
    await ada.publishKnowledge('small', 'short')
    await until(() => expect(watcher.titles()).toEqual(['large', 'small']))
    expect(payloads.map((payload) => 'compressed_result' in payload)).toEqual([true, false])
    expect(knowledgeIn(watcher.results[0]!)?.content).toBe('é'.repeat(20_000))
  })

  it('loses nothing that comes just before the end', async () => {
    const watcher = await watch(await signUp())
    const { result } = update(1, 'packed')
    const packed = gzipSync(JSON.stringify(result)).toString('base64')
    await sharedServer().publish(watcher.channel, 'update', { compressed_result: packed, more: true })
    await sharedServer().publish(watcher.channel, 'update', update(2, 'last', false))
    await until(() => expect(watcher.end).toBe('complete'))
    expect(watcher.titles()).toEqual(['packed', 'last'])
  })

  it.each(['error', 'fetch'])('fetches what is too large for Pusher (SUBSCRIPTION_OVERSIZE=%s)', async (oversize) => {
    const server = await startServer({ SUBSCRIPTION_OVERSIZE: oversize })
    const ada = await signUp(server)
    const watcher = await watch(ada)
    const content = noise(30_000)
    await ada.publishKnowledge('huge', content)
    await ada.publishKnowledge('small', 'short')
    await until(() => expect(watcher.titles()).toEqual(['huge', 'small']))
    expect(knowledgeIn(watcher.results[0]!)?.content).toBe(content)
  })

  it('drops repeats, and what is none of the protocol', async () => {
    const watcher = await watch(await signUp())
    const payloads = [
      update(5, 'five'), update(6, 'six'), update(5, 'five'), { more: true }, { result: update(7, 'no more').result },
      null, 'text', { more: true, result: {} }, { more: 1, result: null }, update(6, 'six'), update(8, 'eight'),
    ]
    for (const payload of payloads) await sharedServer().publish(watcher.channel, 'update', payload)
    await until(() => expect(watcher.titles()).toEqual(['five', 'six', 'eight']))
    expect(watcher.end).toBeNull()
  })

  it('says SUBSCRIPTION_GAP where a result cannot be read, and goes on', async () => {
    const stranger = await openGate(sharedServer())
    const watcher = await watch(await signUp())
    const payloads = [
      { compressed_result: 'AAAA', more: true },
      { fetch: { url: '/graphql/subscriptions/result', seq: 1, size: 99_999 }, more: true }, // there is no such result
      { fetch: { url: stranger.url, seq: 2, size: 99_999 }, more: true }, // who must not learn who asks
      update(3, 'three'),
    ]
    for (const payload of payloads) await sharedServer().publish(watcher.channel, 'update', payload)
    const gaps = Array.from({ length: 3 }, () => 'SUBSCRIPTION_GAP')
    await until(() => expect(watcher.titles()).toEqual([...gaps, 'three']))
    expect(stranger.requests).toBe(0)
  })

  it('aborts and never joins where it is unsubscribed before the answer', async () => {
    const gate = await openGate(sharedServer())
    gate.mode = 'hold'
    const ada = await signUp()
    const pusher = openPusher(ada)
    const watcher = new Watcher(ada, { query: published }, { pusher: () => pusher, url: gate.url })
    await until(() => expect(gate.held).toHaveLength(1))
    const subscribe = vi.spyOn(pusher, 'subscribe')
    watcher.unsubscribe()
    await until(() => expect(gate.aborted).toBe(1))
    gate.pass()
    const next = new Watcher(ada, { query: published }, { pusher: () => pusher, url: gate.url }) // a fence
    await next.joined()
    expect(subscribe.mock.calls).toEqual([[next.channel]])
    expect([watcher.results, watcher.end]).toEqual([[], null])
  })

  it('never asks the server where it is unsubscribed before there is a Pusher', async () => {
    const gate = await openGate(sharedServer())
    const ada = await signUp()
    const pusher = openPusher(ada)
    let resolve: (pusher: Pusher) => void = () => {}
    const connected = new Promise<Pusher>((resolved) => (resolve = resolved))
    const link = linkOf(ada, { pusher: () => connected, url: gate.url })
    const client = new ApolloClient({ link, cache: new InMemoryCache() })
    ApolloLink.execute(link, { query: published }, { client }).subscribe().unsubscribe()
    resolve(pusher)
    const next = new Watcher(ada, { query: published }, { pusher: () => pusher, url: gate.url }) // a fence
    await next.joined()
    expect(gate.posts).toHaveLength(1)
  })

  it.each(['granted', 'refused', 'forgotten'])('leaves where it is unsubscribed before it is %s', async (outcome) => {
    const server = sharedServer()
    const [ada, bob] = await Promise.all([signUp(), signUp(undefined, 'Bob')])
    const gate = await openGate(server)
    const line = await openLine(server)
    gate.mode = 'hold'
    const joining = outcome === 'refused' ? bob : ada
    const pusher = openPusher(joining, { host: line.host, port: line.port, authEndpoint: `${gate.url}/pusher/auth` })
    const watcher = new Watcher(ada, { query: published }, { pusher: () => pusher })
    await until(() => expect(gate.held).toHaveLength(1))
    watcher.unsubscribe()
    if (outcome === 'forgotten') line.cut()
    else gate.pass()
    await until(() => expect(pusher.allChannels()).toEqual([]))
    gate.pass()
    await until(async () => expect(await server.channels()).not.toContain(watcher.channel))

    const { socket_id: before } = pusher.connection
    line.cut()
    line.restore()
    await until(() => expect(pusher.connection.socket_id).not.toBe(before))
    expect(pusher.allChannels()).toEqual([]) // a reconnect does not bring it back
    expect(gate.posts).toHaveLength(1)
    expect(watcher.end).toBeNull()
  })

  it('keeps two equal subscriptions apart', async () => {
    const server = await startServer()
    const ada = await signUp(server)
    const one = await watch(ada)
    const other = await watch(ada, published, {}, { pusher: () => one.pusher })
    expect(one.channel).not.toBe(other.channel)
    await ada.publishKnowledge('for both', 'short')
    await until(() => expect([one.titles(), other.titles()]).toEqual([['for both'], ['for both']]))
    one.unsubscribe()
    await ada.publishKnowledge('for the other', 'short')
    await until(() => expect(other.titles()).toEqual(['for both', 'for the other']))
    expect(one.titles()).toEqual(['for both'])
    await until(async () => expect(await server.channels()).toEqual([other.channel]))
  })

  it('serves those that Apollo Client makes one of', async () => {
    const server = await startServer()
    const ada = await signUp(server)
    const pusher = openPusher(ada)
    const client = new ApolloClient({ link: linkOf(ada, { pusher: () => pusher }), cache: new InMemoryCache() })
    const told: unknown[][] = [[], []]
    const [one, other] = told.map((titles) =>
      client.subscribe<{ knowledgePublished: { title: string } }>({ query: published }).subscribe(({ data }) => {
        titles.push(data?.knowledgePublished.title)
      }),
    )
    await until(() => expect(pusher.allChannels().map(({ subscribed }) => subscribed)).toEqual([true]))
    await ada.publishKnowledge('for both', 'short')
    await until(() => expect(told).toEqual([['for both'], ['for both']]))
    one?.unsubscribe()
    await ada.publishKnowledge('for the other', 'short')
    await until(() => expect(told).toEqual([['for both'], ['for both', 'for the other']]))
    other?.unsubscribe()
    await until(() => expect(pusher.allChannels()).toEqual([]))
  })

  it('fails where it may not join', async () => {
    const [ada, bob] = await Promise.all([signUp(), signUp(undefined, 'Bob')])
    const pusher = openPusher(bob)
    const watcher = new Watcher(ada, { query: published }, { pusher: () => pusher })
    await until(() => expect(watcher.end).toBeInstanceOf(RefusedError))
    expect(watcher.end).toMatchObject({ status: 403 })
    expect(pusher.allChannels()).toEqual([])
  })

  it('goes on where it was away for longer than the server waits, with what it missed', async () => {
    const server = await startServer({ SUBSCRIPTION_GRACE: '1s' })
    const [ada, root] = await Promise.all([signUp(server), Person.signUp(server, 'Root', 'root@example.com')])
    const line = await openLine(server)
    const pusher = openPusher(ada, { host: line.host, port: line.port })
    const watcher = await watch(ada, published, {}, { pusher: () => pusher })
    await ada.publishKnowledge('one', 'short')
    await until(() => expect(watcher.titles()).toEqual(['one']))
    line.cut()
    await until(async () => {
      const away = await root.graphql('{ storedSubscriptions(state: AWAY) { totalCount } }')
      expect(away).toEqual({ storedSubscriptions: { totalCount: 1 } })
    })
    await ada.publishKnowledge('missed', 'short')
    line.restore()
    await until(() => expect(watcher.titles()).toEqual(['one', 'missed']))
    await ada.publishKnowledge('two', 'short')
    await until(() => expect(watcher.titles()).toEqual(['one', 'missed', 'two']))
    expect(watcher.channels).toHaveLength(1)
    expect(watcher.end).toBeNull()
  })

  it('gets what it missed from a server that still waits', async () => {
    const server = await startServer()
    const ada = await signUp(server)
    const line = await openLine(server)
    const pusher = openPusher(ada, { host: line.host, port: line.port })
    const watcher = await watch(ada, published, {}, { pusher: () => pusher })
    line.cut()
    await until(async () => expect(await server.channels()).toEqual([]))
    for (const title of ['one', 'two']) await ada.publishKnowledge(title, 'short')
    line.restore()
    await until(() => expect(watcher.titles()).toEqual(['one', 'two']))
    expect(watcher.channels).toHaveLength(1)
  })

  it('completes where it was ended while it was away', async () => {
    const server = await startServer()
    const [ada, root] = await Promise.all([signUp(server), Person.signUp(server, 'Root', 'root@example.com')])
    const line = await openLine(server)
    const pusher = openPusher(ada, { host: line.host, port: line.port })
    const watcher = await watch(ada, published, {}, { pusher: () => pusher })
    line.cut()
    const { storedSubscriptions } = await root.graphql<{ storedSubscriptions: { edges: { node: { id: string } }[] } }>(
      '{ storedSubscriptions { edges { node { id } } } }',
    )
    await root.graphql(
      'mutation ($input: EndSubscriptionInput!) { endSubscription(input: $input) { endedId } }',
      { input: { id: storedSubscriptions.edges[0]?.node.id } },
    )
    line.restore()
    await until(() => expect(watcher.end).toBe('complete'))
    expect(watcher.results).toEqual([])
    expect(pusher.allChannels()).toEqual([])
  })

  it('emits the errors of a rejected subscription, and completes', async () => {
    const ada = await signUp()
    const pusher = openPusher(ada)
    const watcher = new Watcher(ada, { query: changed, variables: { id: '999' } }, { pusher: () => pusher })
    await until(() => expect(watcher.end).toBe('complete'))
    expect(watcher.results.map(({ errors }) => errors?.[0]?.extensions?.code)).toEqual(['NOT_FOUND'])
    expect(pusher.allChannels()).toEqual([])
  })

  it('fails where the server does not answer, and where there is no Pusher', async () => {
    const ada = await signUp()
    const gate = await openGate(sharedServer())
    gate.mode = 'fail'
    const pusher = openPusher(ada)
    const unanswered = new Watcher(ada, { query: published }, { pusher: () => pusher, url: gate.url })
    await until(() => expect(unanswered.end).toMatchObject({ name: 'ServerError', statusCode: 503 }))

    const link = linkOf(ada, {})
    const client = new ApolloClient({ link, cache: new InMemoryCache() })
    const error = await new Promise((resolve) => {
      ApolloLink.execute(link, { query: published }, { client }).subscribe({ error: resolve })
    })
    expect(error).toEqual(new Error('nobody needs Pusher'))

    pusher.disconnect()
    const late = new Watcher(ada, { query: published }, { pusher: () => pusher })
    await until(() => expect(late.end).toBeInstanceOf(RefusedError))
    expect(late.requests).toEqual([])
  })

  it('completes when somebody disconnects, and ends when the session has ended elsewhere', async () => {
    const ada = await signUp()
    const left = await watch(ada)
    left.pusher.disconnect()
    await until(() => expect(left.end).toBe('complete'))
    expect(left.pusher.allChannels()).toEqual([])

    const ended = await watch(ada)
    await ada.signOut()
    await until(() => expect(ended.end).not.toBeNull())
    // The server says `more: false` as well as closing the socket: either may come first.
    if (ended.end !== 'complete') expect(ended.end).toMatchObject({ name: 'RefusedError', code: 4009 })
    expect(ended.pusher.allChannels()).toEqual([])
  })

  it('ends with the usePusher whose connection it shares', async () => {
    const server = await startServer()
    const ada = await signUp(server)
    const { result, unmount } = renderHook(() =>
      usePusher({
        Pusher, person: ada.id, read: () => Promise.resolve(ada.realtime), headers: ada.headers,
        events: {}, on: {}, onResync: () => {},
      }),
    )
    await until(() => expect(result.current.pusher).not.toBeNull())
    const watcher = await watch(ada, published, {}, { pusher: () => result.current.pusher ?? openPusher(ada) })
    await ada.publishKnowledge('one', 'short')
    await until(() => expect(watcher.titles()).toEqual(['one']))
    expect((await server.channels()).sort()).toEqual([watcher.channel, ada.realtime.channel].sort())
    unmount()
    await until(() => expect(watcher.end).toBe('complete'))
    expect(watcher.pusher.allChannels()).toEqual([])
  })

  it.each(['refused', 'replaced'])('goes on with another connection where the one that it had is %s', async (how) => {
    const server = await startServer()
    const ada = await signUp(server)
    const source = new PusherSource()
    const first = openPusher(ada, how === 'refused' ? { key: 'unheard-of' } : {})
    source.set(first)
    const watcher = new Watcher(ada, { query: published }, { pusher: () => first, get: source.get })
    if (how === 'replaced') {
      await watcher.joined()
      first.disconnect()
    }
    await until(() => expect(first.connection.state).toBe('disconnected'))
    const second = openPusher(ada)
    source.set(second)
    await until(() => expect(second.allChannels().map(({ subscribed }) => subscribed)).toEqual([true]))
    await ada.publishKnowledge('over the second', 'short')
    await until(() => expect(watcher.titles()).toEqual(['SUBSCRIPTION_GAP', 'over the second']))
    expect(first.allChannels()).toEqual([])
    watcher.unsubscribe()
    await until(() => expect(second.allChannels()).toEqual([]))
  })

  it('fails where Pusher refuses the connection', async () => {
    const ada = await signUp()
    const pusher = openPusher(ada, { key: 'unheard-of' })
    const watcher = new Watcher(ada, { query: published }, { pusher: () => pusher })
    await until(() => expect(watcher.end).toMatchObject({ name: 'RefusedError', code: 4001 }))
  })

  it('reads encrypted channels', async () => {
    const server = await startServer({ PUSHER_ENCRYPTION_MASTER_KEY: Buffer.alloc(32, 7).toString('base64') })
    const ada = await signUp(server)
    const watcher = await watch(ada)
    expect(watcher.channel).toMatch(/^private-encrypted-gql-/)
    await ada.publishKnowledge('secret', 'é'.repeat(20_000))
    await until(() => expect(watcher.titles()).toEqual(['secret']))
    watcher.unsubscribe()
    await until(async () => expect(await server.channels()).toEqual([]))

    const pusher = openPusher(ada)
    delete pusher.config.nacl // as in the build without encryption
    const illiterate = new Watcher(ada, { query: published }, { pusher: () => pusher })
    await until(() => expect(illiterate.end).toBeInstanceOf(Error))
    expect(String(illiterate.end)).toContain('no nacl implementation')
  })
})
