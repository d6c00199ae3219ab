import { act, renderHook } from '@testing-library/react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { FakePusher } from '../../../testing/fake-pusher'
import type { PusherConnectionOptions } from './options.js'
import type { PusherClass } from './pusher.js'
import { usePusher, type UsePusherOptions } from './use-pusher.js'

const Pusher = FakePusher as unknown as PusherClass

type Options = UsePusherOptions<object>

const first: PusherConnectionOptions = {
  key: 'first', cluster: null, host: 'pusher.example', port: 443, tls: true, channel: 'private-user-1',
  authEndpoint: '/pusher/auth', noticeChannel: 'lorebridge',
}
const second = { ...first, key: 'second' }

const read = vi.fn<Options['read']>()
const onResync = vi.fn<Options['onResync']>()

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(1) // the longest waits
  FakePusher.instances = []
  FakePusher.made = []
  read.mockReset().mockResolvedValue(first)
  onResync.mockReset()
})
afterEach(() => vi.useRealTimers())

/** listen mounts the hook, and lets it make its connection. */
async function listen() {
  const hook = renderHook(() => usePusher({ Pusher, person: '1', read, events: {}, on: {}, onResync }))
  await pass(0)
  return { ...hook, live: () => hook.result.current }
}

/** live mounts the hook, joined. */
async function joined() {
  const hook = await listen()
  await happens(() => newest().join('private-user-1'))
  return hook
}

const newest = () => FakePusher.made.at(-1)!
const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms))
const happens = (what: () => void) => act(async () => {
  what()
  await vi.advanceTimersByTimeAsync(0)
})
const violation = (blockedURI: string, more = {}) => {
  const event = Object.assign(new Event('securitypolicyviolation'), {
    disposition: 'enforce', effectiveDirective: 'connect-src', blockedURI, ...more,
  })
  document.dispatchEvent(event)
}

describe('usePusher, when the server changes', () => {
  it('reads nothing while the channel is joined, for an hour', async () => {
    const { live } = await joined()
    await pass(3_600_000)
    expect(read).toHaveBeenCalledTimes(1)
    expect(FakePusher.made).toHaveLength(1)
    expect(live()).toMatchObject({ state: 'connected', problem: null })
  })

  it('is connected when the channel is joined, and not when the socket is', async () => {
    const { live } = await listen()
    await happens(() => newest().connection.become('connected'))
    expect(live().state).toBe('connecting')
    await happens(() => newest().join('private-user-1'))
    expect(live().state).toBe('connected')
    await happens(() => newest().connection.become('connecting'))
    expect(live().state).toBe('connecting')
  })

  it.each([
    ['another key', { key: 'second' }],
    ['another cluster', { cluster: 'eu', host: null, port: null }],
    ['another host', { host: 'elsewhere.example' }],
    ['another port', { port: 6001 }],
    ['no TLS', { tls: false }],
    ['an encrypted channel', { channel: 'private-encrypted-user-1' }],
    ['a channel in a namespace', { channel: 'private-shop-user-1' }],
    ['another place that authorizes', { authEndpoint: '/api/pusher/auth' }],
    ['another channel for notices', { noticeChannel: null }],
  ])('connects anew for %s once it is refused, and catches up', async (_, change) => {
    const next = { ...first, ...change }
    const { live } = await joined()
    await pass(60_000)
    read.mockResolvedValue(next)
    await happens(() => newest().refuse('private-user-1', 403))
    await pass(300)
    expect(FakePusher.made).toHaveLength(2)
    expect(FakePusher.made[0]?.connection.state).toBe('disconnected')
    expect(newest().key).toBe(next.key)
    await happens(() => newest().join(next.channel))
    expect(live()).toMatchObject({ state: 'connected', problem: null, pusher: newest() })
    expect(onResync).toHaveBeenCalledTimes(2)
    await pass(600_000)
    expect(read).toHaveBeenCalledTimes(2)
  })

  it.each([4000 + 1, 4003, 4004, 4009, 4099])('connects anew when Pusher ends the connection with %i', async (code) => {
    const { live } = await joined()
    await pass(60_000)
    await happens(() => newest().endFor(code))
    expect(live()).toMatchObject({ state: 'unavailable', pusher: null })
    await pass(300)
    expect(FakePusher.made).toHaveLength(2) // with the same settings: the app may be there again
  })

  it('joins again on the same connection where the channel alone was refused', async () => {
    await joined()
    await pass(60_000)
    await happens(() => newest().refuse('private-user-1', 403))
    await pass(300)
    expect(FakePusher.made).toHaveLength(1)
    expect(newest().channel('private-user-1').subscriptions).toBe(2)
  })

  it('backs off while nothing helps, and says that nothing is live', async () => {
    const { live } = await listen()
    const times: number[] = []
    const start = Date.now()
    read.mockImplementation(() => {
      times.push(Date.now() - start)
      return Promise.resolve(first)
    })
    for (let i = 0; i < 600; i += 1) {
      if (newest().connection.state !== 'disconnected') await happens(() => newest().endFor(4001))
      await pass(1000)
    }
    const pauses = times.map((time, i) => time - (times[i - 1] ?? 0))
    expect(pauses.slice(0, 5)).toEqual([2000, 4000, 8000, 16_000, 32_000])
    expect(Math.max(...pauses)).toBeLessThanOrEqual(61_000)
    expect(times.length).toBeLessThan(16)
    expect(live()).toMatchObject({ state: 'unavailable', problem: 'off' })
    expect(onResync.mock.calls.length).toBeGreaterThan(8) // what is new is read meanwhile
  })

  it('reads ever less often where the server does not answer, and goes on once it does', async () => {
    read.mockRejectedValue(new Error('no server'))
    const { live } = await listen()
    await pass(600_000)
    expect(read.mock.calls.length).toBeLessThan(16)
    expect(live()).toMatchObject({ state: 'unavailable', problem: 'off', pusher: null })
    read.mockResolvedValue(first)
    await pass(60_000)
    await happens(() => newest().join('private-user-1'))
    expect(live()).toMatchObject({ state: 'connected', problem: null })
  })

  it('reads the settings again after ten seconds without a connection', async () => {
    await joined()
    await happens(() => newest().connection.become('connecting'))
    await pass(9_000)
    expect(read).toHaveBeenCalledTimes(1)
    read.mockResolvedValue(second)
    await happens(() => newest().connection.become('unavailable'))
    await pass(2_000)
    expect(newest().key).toBe('second')
  })

  it('reads them when the server says that it starts or stops, until there is an answer', async () => {
    const { live } = await joined()
    await pass(60_000)
    read.mockRejectedValueOnce(new Error('it stops')).mockResolvedValue(second)
    await happens(() => newest().channel('lorebridge').emit('realtime-changed', {}))
    await pass(300)
    expect(live().state).toBe('connected') // for all that is known
    await pass(2_000)
    expect(newest().key).toBe('second')
    await happens(() => newest().join('private-user-1'))
    await pass(600_000)
    expect(read).toHaveBeenCalledTimes(3)
  })

  it('leaves the connection alone where nothing has changed', async () => {
    const { live } = await joined()
    await pass(60_000)
    for (let i = 0; i < 10; i += 1) act(() => live().check())
    await pass(0)
    expect(read).toHaveBeenCalledTimes(2)
    act(() => live().check())
    await pass(2_000)
    expect(read).toHaveBeenCalledTimes(3)
    expect(FakePusher.made).toHaveLength(1)
    expect(onResync).toHaveBeenCalledTimes(1)
  })

  it('reads once more where the settings change while they are being read', async () => {
    const { live } = await joined()
    await pass(60_000)
    let answer: (options: PusherConnectionOptions) => void = () => {}
    read.mockReturnValueOnce(new Promise((resolve) => (answer = resolve))).mockResolvedValue(second)
    act(() => live().check())
    await pass(10_000)
    act(() => live().check())
    await pass(10_000)
    await happens(() => answer(first))
    await pass(60_000)
    expect(newest().key).toBe('second')
  })

  it('says that the page must be loaded anew where its policy forbids the address', async () => {
    const { live } = await joined()
    await pass(60_000)
    read.mockResolvedValue({ ...first, host: 'elsewhere.example' })
    await happens(() => newest().refuse('private-user-1', 403))
    await pass(300)
    await happens(() => violation('https://elsewhere.example/picture.png'))
    await happens(() => violation('wss://third.example/app/first'))
    await happens(() => violation('wss://elsewhere.example/app/first', { disposition: 'report' }))
    expect(live().problem).toBeNull()
    await happens(() => violation('wss://elsewhere.example/app/first?protocol=7'))
    expect(live()).toMatchObject({ state: 'unavailable', problem: 'blocked', pusher: null })
    const made = FakePusher.made.length
    await pass(600_000)
    expect(FakePusher.made).toHaveLength(made) // it does not knock in vain
    expect(live().problem).toBe('blocked')
    read.mockResolvedValue(first)
    await pass(60_000)
    await happens(() => newest().join('private-user-1'))
    expect(live()).toMatchObject({ state: 'connected', problem: null })
  })

  it.each([
    [{ host: '::1', port: 6001 }, 'ws://[::1]:6001/app/first'],
    [{ host: '[::1]', port: 6001 }, 'ws://[::1]:6001/app/first'],
    [{ host: null, port: null, cluster: 'eu' }, 'wss://ws-eu.pusher.com/app/first'],
  ])('recognizes what is forbidden: %j', async (address, url) => {
    read.mockResolvedValue({ ...first, ...address })
    const { live } = await listen()
    await happens(() => violation(url))
    expect(live().problem).toBe('blocked')
  })

  it('does nothing more once it is released', async () => {
    const { unmount } = await joined()
    await happens(() => newest().refuse('private-user-1', 403))
    unmount()
    window.dispatchEvent(new Event('online'))
    await pass(600_000)
    expect(read).toHaveBeenCalledTimes(1)
    expect(vi.getTimerCount()).toBe(0)
  })
})
