import { ApolloClient, ApolloLink, gql, type ObservableQuery } from '@apollo/client'
import { GraphQLError } from 'graphql'
import { Observable, type Observer } from 'rxjs'
import { beforeEach, expect, it, vi } from 'vitest'

import { newCache } from '../../cache'
import { Refresher } from './refresh'

const query = gql`
  query Count {
    count
  }
`

/** The queries that the tests have not answered yet. */
let asked: Observer<ApolloLink.Result>[]
let client: ApolloClient
let watched: ObservableQuery

beforeEach(async () => {
  asked = []
  const link = new ApolloLink(() => new Observable((observer) => void asked.push(observer)))
  client = new ApolloClient({ cache: newCache(), link })
  watched = client.watchQuery({ query })
  watched.subscribe(() => undefined)
  answer({ data: { count: 0 } })
  await vi.waitFor(() => expect(watched.getCurrentResult().data).toEqual({ count: 0 }))
})

function answer(result: ApolloLink.Result) {
  const observer = asked.shift()
  observer?.next(result)
  observer?.complete()
}

it('fetches once at a time, and once more if something has changed meanwhile', async () => {
  const refresher = new Refresher(client)
  const done = Promise.all([refresher.run()])
  refresher.changed()
  refresher.changed()
  expect(asked).toHaveLength(1)
  answer({ data: { count: 1 } })
  await vi.waitFor(() => expect(asked).toHaveLength(1))
  answer({ data: { count: 2 } })
  await done
  expect(asked).toHaveLength(0)
  expect(watched.getCurrentResult().data).toEqual({ count: 2 })
})

it('does not take an answer from before for a new one', async () => {
  const before = watched.refetch()
  const done = new Refresher(client).run()
  expect(asked).toHaveLength(1)
  answer({ data: { count: 1 } })
  await before
  await vi.waitFor(() => expect(asked).toHaveLength(1))
  answer({ data: { count: 2 } })
  await done
  expect(watched.getCurrentResult().data).toEqual({ count: 2 })
})

it('does not fetch again if nothing has changed since it began', async () => {
  const refresher = new Refresher(client)
  const done = refresher.run()
  answer({ data: { count: 1 } })
  await done
  expect(asked).toHaveLength(0)
})

it('rejects if the server cannot be reached, and not if it answers with an error', async () => {
  const refresher = new Refresher(client)
  const rejected = refresher.run()
  answer({ errors: [new GraphQLError('no')] })
  await rejected
  const failed = refresher.run()
  asked.shift()?.error(new TypeError('Failed to fetch'))
  await expect(failed).rejects.toThrow('Failed to fetch')
})
