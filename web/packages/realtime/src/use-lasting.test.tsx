import { ApolloClient, ApolloLink, gql, InMemoryCache, type TypedDocumentNode } from '@apollo/client'
import { ApolloProvider } from '@apollo/client/react'
import { act, renderHook } from '@testing-library/react'
import type { ReactNode } from 'react'
import { GraphQLError } from 'graphql'
import { Observable, type Observer } from 'rxjs'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { useLasting } from './use-lasting.js'

const document = gql`subscription { told }` as TypedDocumentNode<{ told: number }, Record<string, never>>

/** The subscriptions that were begun: the tests are the server. */
let begun: Observer<ApolloLink.Result>[]
const onData = vi.fn()
const onGap = vi.fn()
const onEnd = vi.fn()

beforeEach(() => {
  begun = []
  for (const mock of [onData, onGap, onEnd]) mock.mockReset()
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(1) // the longest waits
})
afterEach(() => vi.useRealTimers())

function listen(skip = false) {
  const link = new ApolloLink(() => new Observable((observer) => void begun.push(observer)))
  const client = new ApolloClient({ link, cache: new InMemoryCache() })
  const wrapper = ({ children }: { children: ReactNode }) => <ApolloProvider client={client}>{children}</ApolloProvider>
  const useIt = (given: { skip: boolean }) => useLasting(document, { ...given, onData, onGap, onEnd })
  return renderHook(useIt, { initialProps: { skip }, wrapper })
}

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms))
const newest = () => begun.at(-1)!
const says = (what: (observer: Observer<ApolloLink.Result>) => void) => act(async () => {
  what(newest())
  await vi.advanceTimersByTimeAsync(0)
})
const refusal = (code: string) => ({ errors: [new GraphQLError('no', { extensions: { code } })] })

it('begins anew when the subscription ends, and reads what was missed', async () => {
  listen()
  await says((server) => server.next({ data: { told: 1 } }))
  await pass(60_000)
  await says((server) => server.complete())
  expect([begun.length, onEnd.mock.calls.length, onGap.mock.calls.length]).toEqual([1, 1, 0])
  await pass(1_000)
  expect([begun.length, onGap.mock.calls.length]).toEqual([2, 1])
  await says((server) => server.next({ data: { told: 2 } }))
  expect(onData.mock.calls).toEqual([[{ told: 1 }], [{ told: 2 }]])
})

it('backs off while each one fails, and says why', async () => {
  const { result } = listen()
  const waits: number[] = []
  for (let i = 0; i < 9; i += 1) {
    await says((server) => server.error(new Error('refused')))
    expect(result.current.error?.message).toBe('refused')
    const start = Date.now()
    const before = begun.length
    for (let s = 0; s < 100 && begun.length === before; s += 1) await pass(1_000)
    waits.push(Date.now() - start)
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
})

it.each(['UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND', 'BAD_USER_INPUT'])('stops at %s until it is asked to go on', async (code) => {
  const { result } = listen()
  await says((server) => {
    server.next(refusal(code))
    server.complete()
  })
  await pass(600_000)
  expect(begun).toHaveLength(1)
  act(() => result.current.restart())
  await pass(0)
  expect([begun.length, result.current.error]).toEqual([2, undefined])
})

it('goes on after SUBSCRIPTION_GAP, which ends nothing', async () => {
  const { result } = listen()
  await says((server) => server.next({ data: null, ...refusal('SUBSCRIPTION_GAP') }))
  await says((server) => server.next({ data: { told: 3 } }))
  await pass(600_000)
  expect([begun.length, onGap.mock.calls.length, onData.mock.calls.length]).toEqual([1, 1, 1])
  expect(result.current.error).toBeUndefined()
})

it('begins nothing while it is skipped, nor once it is unmounted', async () => {
  const { rerender, unmount } = listen(true)
  await pass(60_000)
  expect(begun).toHaveLength(0)
  rerender({ skip: false })
  await pass(0)
  expect(begun).toHaveLength(1)
  await says((server) => server.complete())
  rerender({ skip: true })
  await pass(600_000)
  expect(begun).toHaveLength(1)
  rerender({ skip: false })
  await pass(0)
  unmount()
  await pass(600_000)
  expect(begun).toHaveLength(2)
})
