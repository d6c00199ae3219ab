import { ApolloClient, ApolloLink, gql, InMemoryCache, type ObservableQuery } from '@apollo/client'
import { Observable, type Observer } from 'rxjs'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { readAgain } from './read-again'

const slow = gql`query Slow { slow }`
const quick = gql`query Quick { quick }`

/** The queries that the tests have not answered yet, with the names of their operations. */
let asked: { name: string; observer: Observer<ApolloLink.Result> }[]
let client: ApolloClient
let watched: ObservableQuery

beforeEach(() => {
  vi.useFakeTimers()
  asked = []
  const link = new ApolloLink(({ operationName }) => (
    new Observable((observer) => void asked.push({ name: operationName ?? '', observer }))
  ))
  client = new ApolloClient({ cache: new InMemoryCache(), link })
  watched = client.watchQuery({ query: slow })
  watched.subscribe(() => undefined)
})
afterEach(() => void vi.useRealTimers())

function answer(name: string, data: Record<string, unknown>) {
  const first = asked.find((each) => each.name === name)
  if (!first) throw new Error(`${name} was not asked`)
  asked = asked.filter((each) => each !== first)
  first.observer.next({ data })
  first.observer.complete()
}

const names = () => asked.map(({ name }) => name)

it('delays no query because of another running one', async () => {
  client.watchQuery({ query: quick }).subscribe(() => undefined)
  answer('Quick', { quick: 0 })
  await vi.advanceTimersByTimeAsync(0)
  const done = readAgain(client, 'active')
  await vi.advanceTimersByTimeAsync(0)
  expect(names()).toEqual(['Slow', 'Quick'])
  answer('Quick', { quick: 1 })
  answer('Slow', { slow: 0 })
  await vi.advanceTimersByTimeAsync(0)
  answer('Slow', { slow: 1 })
  await done
  expect(client.readQuery({ query: slow })).toEqual({ slow: 1 })
})

it('does not wait for ever for a query that nobody shows any more', async () => {
  const done = readAgain(client, 'active')
  await watched.reobserve({ fetchPolicy: 'standby' }).catch(() => undefined)
  answer('Slow', { slow: 0 })
  await vi.advanceTimersByTimeAsync(9_000)
  expect(names()).toEqual([])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(names()).toEqual(['Slow'])
  answer('Slow', { slow: 1 })
  await done
})
