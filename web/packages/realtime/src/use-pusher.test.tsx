import { renderHook } from '@testing-library/react'
import Pusher from 'pusher-js/with-encryption'
import { StrictMode } from 'react'
import { describe, expect, it, vi } from 'vitest'

import { Person } from '../../../testing/person'
import { openGate, openLine, sharedServer, startServer, until } from '../../../testing/run'
import { isObject } from './json.js'
import type { PusherConnectionOptions } from './options.js'
import type { RefusedError } from './refused-error.js'
import { usePusher, type UsePusherOptions, type UsePusherResult } from './use-pusher.js'

/** What the server that the tests run with sends, and as much of it as they look at. */
interface Events {
  'knowledge-request': { eventId: string; question: string }
  'knowledge-response': { eventId: string; status: string }
}

type Options = UsePusherOptions<Events>

const isEvent = (data: unknown, key: string) =>
  isObject(data) && typeof data.eventId === 'string' && typeof data[key] === 'string'

const events: Options['events'] = {
  'knowledge-request': (data): data is Events['knowledge-request'] => isEvent(data, 'question'),
  'knowledge-response': (data): data is Events['knowledge-response'] => isEvent(data, 'status'),
}

/** Received has the calls of a hook, in their order. */
class Received {
  requests: Events['knowledge-request'][] = []
  responses: Events['knowledge-response'][] = []
  refusals: RefusedError[] = []
  resyncs = 0

  on: Options['on'] = {
    'knowledge-request': (event) => void this.requests.push(event),
    'knowledge-response': (event) => void this.responses.push(event),
  }
  onRefused = (error: RefusedError) => void this.refusals.push(error)
  onResync = (): void => {
    this.resyncs += 1
  }
}

/** listen mounts the hook for a person, who is at `at`; change gives it other options. */
function listen(person: Person, told: Received, given: Partial<Options> = {}, at: At = {}) {
  const { on, onResync, onRefused } = told
  const initial: Options = {
    Pusher, person: person.id, read: () => Promise.resolve({ ...person.realtime, ...at }), headers: person.headers,
    events, on, onResync, onRefused, ...given,
  }
  const { result, rerender, unmount } = renderHook<UsePusherResult, Options | null>(usePusher<Events>, {
    initialProps: initial, wrapper: StrictMode,
  })
  const change = (options: Partial<Options> | null) => rerender(options && { ...initial, ...options })
  return { result, change, unmount }
}

type At = Partial<PusherConnectionOptions>

async function joined(told: Received, times = 1) {
  await until(() => expect(told.resyncs).toBe(times))
}

async function pair(server = sharedServer()): Promise<[Person, Person]> {
  return Promise.all([Person.signUp(server, 'Ada'), Person.signUp(server, 'Bob')])
}

describe('usePusher', () => {
  it('reports the events that it knows, in order', async () => {
    const [ada, bob] = await pair()
    const toAda = new Received()
    const toBob = new Received()
    listen(ada, toAda)
    const { result } = listen(bob, toBob)
    await Promise.all([joined(toAda), joined(toBob)])
    await until(() => expect(result.current.state).toBe('connected'))

    const questions = ['What is a monad?', 'And a functor?', 'And an applicative?']
    const ids: string[] = []
    for (const question of questions) ids.push(await ada.ask(bob, question))
    await until(() => expect(toBob.requests).toHaveLength(3))
    expect(toBob.requests.map(({ question }) => question)).toEqual(questions)
    await bob.answer(ids[0] ?? '', 'APPROVED', 'A burrito.')
    await until(() => expect(toAda.responses.map(({ status }) => status)).toEqual(['approved']))
    expect([toAda.requests, toBob.responses]).toEqual([[], []])
  })

  it('connects once in StrictMode, which mounts twice', async () => {
    const [ada] = await pair()
    const line = await openLine(sharedServer())
    const told = new Received()
    const before = Pusher.instances.length
    const made = vi.spyOn(Pusher.instances, 'push')
    const { result, unmount } = listen(ada, told, {}, { host: line.host, port: line.port })
    await joined(told)
    expect([made.mock.calls.length, line.attempts]).toEqual([1, 1])
    expect(Pusher.instances).toHaveLength(before + 1)
    expect(result.current.pusher).toBe(Pusher.instances[before])
    unmount()
    expect(Pusher.instances).toHaveLength(before)
  })

  it('keeps its connection when callbacks and headers change, and calls the latest', async () => {
    const [ada, bob] = await pair()
    const line = await openLine(sharedServer())
    const told = new Received()
    const at = { host: line.host, port: line.port }
    const { result, change } = listen(bob, told, { headers: { authorization: 'Bearer old' } }, at)
    await until(() => expect(told.refusals).toHaveLength(1)) // the token does not hold
    expect(told.refusals[0]?.status).toBe(401)
    const { pusher } = result.current

    const latest = new Received()
    const { on, onResync } = latest
    change({ on, onResync, headers: { ...bob.headers } })
    expect(result.current.pusher).toBe(pusher)
    await joined(latest) // it asks again by itself
    await ada.ask(bob, 'Who hears this?')
    await until(() => expect(latest.requests).toHaveLength(1))
    expect(result.current.pusher).toBe(pusher)
    expect(line.attempts).toBe(1)
    expect([told.requests, told.resyncs]).toEqual([[], 0])
  })

  it('connects anew for another person, and leaves nothing of the one before', async () => {
    const server = await startServer()
    const [ada, bob] = await pair(server)
    const told = new Received()
    const { result, change } = listen(ada, told)
    await joined(told)
    const first = result.current.pusher
    change({ person: bob.id, read: () => Promise.resolve(bob.realtime), headers: bob.headers })
    expect(result.current).toMatchObject({ state: 'initialized', pusher: null })
    await joined(told, 2)
    expect(result.current.pusher).not.toBe(first)
    expect(first?.connection.state).toBe('disconnected')
    await until(async () => expect(await server.channels()).toEqual([bob.realtime.channel]))
  })

  it.each([
    ['on unmount', (hook: ReturnType<typeof listen>) => hook.unmount()],
    ['when nobody is signed in any more', (hook: ReturnType<typeof listen>) => hook.change(null)],
  ])('releases everything %s', async (_, end) => {
    const server = await startServer()
    const line = await openLine(server)
    const [ada] = await pair(server)
    const told = new Received()
    const hook = listen(ada, told, {}, { host: line.host, port: line.port })
    await joined(told)
    const { pusher } = hook.result.current
    const channel = pusher?.channel(ada.realtime.channel)
    expect(await server.channels()).toEqual([ada.realtime.channel])
    end(hook)
    expect(pusher?.connection.state).toBe('disconnected')
    expect(pusher?.allChannels()).toEqual([])
    expect(channel?.callbacks._callbacks).toEqual({})
    await until(() => expect(line.connections).toBe(0))
    await until(async () => expect(await server.channels()).toEqual([]))
    expect(told.refusals).toEqual([])
  })

  it('stays away once it was released, whatever pusher-js planned', async () => {
    const server = await startServer()
    const [ada] = await pair(server)
    const told = new Received()
    const { result, unmount } = listen(ada, told)
    await joined(told)
    const { pusher } = result.current
    // It closes with 4100, upon which pusher-js sets two timers of a second and forgets one: its end may take longer than that.
    const stopped = server.stop()
    await until(() => expect(pusher?.connection.connection).toBeNull())
    unmount()
    if (!pusher) throw new Error('there is no pusher')
    const connect = vi.spyOn(pusher.connection, 'connect')
    await until(() => expect(connect).toHaveBeenCalled())
    expect(pusher.connection.state).toBe('disconnected')
    expect(pusher.connection.runner).toBeNull()
    await stopped
  })

  it('drops repeats', async () => {
    const server = sharedServer()
    const [ada] = await pair()
    const told = new Received()
    listen(ada, told)
    await joined(told)
    const event = (eventId: string) => ({ type: 'knowledge-response', requestId: 1, status: 'denied', eventId })
    for (const id of ['1', '2', '1', '2', '3']) {
      await server.publish(ada.realtime.channel, 'knowledge-response', event(id))
    }
    await until(() => expect(told.responses.at(-1)?.eventId).toBe('3'))
    expect(told.responses.map(({ eventId }) => eventId)).toEqual(['1', '2', '3'])
  })

  it('ignores events that it does not know, and what is no such event', async () => {
    const server = sharedServer()
    const [ada] = await pair()
    const told = new Received()
    listen(ada, told)
    await joined(told)
    const request = { question: 'What is a monad?', eventId: '7' }
    const faulty: [string, unknown][] = [
      ['knowledge-request', null],
      ['knowledge-request', { ...request, eventId: 7 }],
      ['knowledge-request', { eventId: '7' }],
      ['knowledge-unheard-of', request],
      ['constructor', request],
    ]
    for (const [name, data] of faulty) await server.publish(ada.realtime.channel, name, data)
    await server.publish(ada.realtime.channel, 'knowledge-request', request)
    await until(() => expect(told.requests).toEqual([request]))
    expect(told.responses).toEqual([])
  })

  it('fetches after each join what was missed, and each is told once', async () => {
    const [ada, bob] = await pair()
    const line = await openLine(sharedServer())
    const told = new Received()
    const claimed: string[][] = []
    const onResync = async (claim: (eventId: string) => boolean) => {
      const unread = await bob.unread()
      claimed.push(unread.filter(claim))
      told.resyncs += 1
    }
    await ada.ask(bob, 'before')
    const { result } = listen(bob, told, { onResync }, { host: line.host, port: line.port })
    await joined(told)
    expect(claimed).toEqual([[expect.any(String)]])
    await ada.ask(bob, 'live')
    await until(() => expect(told.requests).toHaveLength(1))

    line.cut()
    await until(() => expect(result.current.state).not.toBe('connected'))
    await ada.ask(bob, 'missed')
    await ada.ask(bob, 'missed as well')
    line.restore()
    await joined(told, 2)
    const unread = await bob.unread()
    expect(unread).toHaveLength(4)
    expect(claimed[1]).toEqual(unread.slice(2))
    expect(told.requests.map(({ question }) => question)).toEqual(['live'])
  })

  it('fetches again until it succeeds', async () => {
    const [ada] = await pair()
    const told = new Received()
    const onResync = vi.fn<Options['onResync']>()
    onResync
      .mockRejectedValueOnce(new Error('no network'))
      .mockImplementationOnce(() => {
        throw new Error('not even a promise')
      })
    listen(ada, told, { onResync })
    await until(() => expect(onResync).toHaveBeenCalledTimes(3))
  })

  it('fetches no more for a join that is over', async () => {
    const [ada] = await pair()
    const told = new Received()
    const onResync = vi.fn<Options['onResync']>().mockRejectedValue(new Error('no network'))
    const setTimer = vi.spyOn(globalThis, 'setTimeout')
    const clearTimer = vi.spyOn(globalThis, 'clearTimeout')
    const { unmount } = listen(ada, told, { onResync })
    await until(() => expect(onResync).toHaveBeenCalled())
    const retry = await vi.waitFor(() => {
      const i = setTimer.mock.calls.findIndex(([, delay]) => delay !== undefined && delay >= 750 && delay < 1000)
      expect(i).not.toBe(-1)
      return setTimer.mock.results[i]?.value as unknown
    })
    unmount()
    expect(clearTimer).toHaveBeenCalledWith(retry)
  })

  it("is refused somebody else's channel, says so once, and is not live", async () => {
    const [ada, bob] = await pair()
    const gate = await openGate(sharedServer())
    const told = new Received()
    const { result } = listen(ada, told, {}, { channel: bob.realtime.channel, authEndpoint: `${gate.url}/pusher/auth` })
    await until(() => expect(told.refusals).toHaveLength(1))
    expect(told.refusals[0]).toMatchObject({ name: 'RefusedError', status: 403, code: undefined })
    expect(result.current.pusher?.connection.state).toBe('connected')
    await until(() => expect(result.current.state).toBe('unavailable'))
    await until(() => expect(gate.posts).toHaveLength(2))
    await until(() => expect(result.current.pusher?.channel(bob.realtime.channel).subscriptionPending).toBe(false))
    expect([told.refusals.length, told.resyncs]).toEqual([1, 0])
  })

  it('says that the key is unknown, and connects once the server gives another one', async () => {
    const [ada] = await pair()
    const told = new Received()
    const read = vi.fn<Options['read']>()
      .mockResolvedValueOnce({ ...ada.realtime, key: 'unheard-of' })
      .mockRejectedValueOnce(new Error('the server is not there'))
      .mockResolvedValue(ada.realtime)
    const { result } = listen(ada, told, { read })
    await until(() => expect(told.refusals).toHaveLength(1))
    expect(told.refusals[0]).toMatchObject({ code: 4001, status: undefined })
    await until(() => expect(result.current).toMatchObject({ state: 'unavailable', pusher: null }))
    await joined(told)
    await until(() => expect(result.current).toMatchObject({ state: 'connected', problem: null }))
    expect(read).toHaveBeenCalledTimes(3)
  })

  it('says once that the session has ended elsewhere, and can connect again', async () => {
    const [ada] = await pair()
    const told = new Received()
    const { result, change } = listen(ada, told)
    await joined(told)
    await ada.signOut()
    await until(() => expect(result.current.state).toBe('unavailable'))
    expect(told.refusals).toEqual([expect.objectContaining({ code: 4009 })])

    const again = await Person.signUp(sharedServer(), 'Ada')
    change(null)
    change({ person: again.id, read: () => Promise.resolve(again.realtime), headers: again.headers })
    await joined(told, 2)
    expect(told.refusals).toHaveLength(1)
  })

  it('asks again where an authorization fails on its way', async () => {
    const [ada] = await pair()
    const gate = await openGate(sharedServer())
    gate.mode = 'fail'
    const told = new Received()
    listen(ada, told, {}, { authEndpoint: `${gate.url}/pusher/auth` })
    await until(() => expect(gate.posts).toHaveLength(2))
    gate.pass()
    await joined(told)
    expect(told.refusals).toEqual([])
  })

  it('does not take the answer for an earlier socket for that of the present one', async () => {
    const [ada] = await pair()
    const line = await openLine(sharedServer())
    const gate = await openGate(sharedServer())
    gate.mode = 'hold'
    const told = new Received()
    const { result } = listen(
      ada, told, {}, { host: line.host, port: line.port, authEndpoint: `${gate.url}/pusher/auth` },
    )
    await until(() => expect(gate.held).toHaveLength(1))
    line.cut()
    line.restore()
    await until(() => expect(gate.held).toHaveLength(2))
    const [early, late] = gate.held.splice(0)
    const { pusher } = result.current
    const sent = vi.spyOn(pusher ?? Pusher.prototype, 'send_event')
    early?.()
    late?.()
    await joined(told)
    expect(sent.mock.calls.filter(([name]) => name === 'pusher:subscribe')).toHaveLength(1)
    expect(told.refusals).toEqual([])
  })

  it('connects at once when the browser is online again', async () => {
    const [ada] = await pair()
    const line = await openLine(sharedServer())
    const told = new Received()
    const { result } = listen(ada, told, {}, { host: line.host, port: line.port })
    await joined(told)
    line.cut()
    await until(() => expect(line.attempts).toBe(2)) // and gets no answer for 15 s
    await until(() => expect(result.current.state).toBe('connecting'))
    window.dispatchEvent(new Event('online'))
    await until(() => expect(line.attempts).toBe(3))
    line.restore()
    await joined(told, 2)
  })

  it('reads encrypted channels', async () => {
    const server = await startServer({ PUSHER_ENCRYPTION_MASTER_KEY: Buffer.alloc(32, 7).toString('base64') })
    const [ada, bob] = await pair(server)
    expect(bob.realtime.channel).toBe(`private-encrypted-user-${bob.id}`)
    const told = new Received()
    listen(bob, told)
    await joined(told)
    await ada.ask(bob, 'Can anybody else read this?')
    await until(() => expect(told.requests.map(({ question }) => question)).toEqual(['Can anybody else read this?']))
  })
})
