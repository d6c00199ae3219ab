import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { expect, it, vi } from 'vitest'

import { Settings } from './settings'

it('says that the settings have changed once for each change, and never for the first answer', async () => {
  let version: string | null = null
  const fetch = () => {
    const headers = { 'Content-Type': 'application/json', ...(version && { 'X-Realtime-Version': version }) }
    return Promise.resolve(new Response('{"data":{"a":1}}', { headers }))
  }
  const settings = new Settings()
  const link = ApolloLink.from([settings.link, new HttpLink({ uri: 'http://server.example/graphql', fetch })])
  const client = new ApolloClient({ link, cache: new InMemoryCache() })
  const changed = vi.fn()
  const stop = settings.onChanged(changed)
  const told = async (next: string | null) => {
    version = next
    await client.query({ query: gql`{ a }`, fetchPolicy: 'no-cache' })
    return changed.mock.calls.length
  }
  expect([await told(null), await told('1'), await told('1'), await told(null), await told('1')]).toEqual([0, 0, 0, 0, 0])
  expect([await told('2'), await told('2'), await told('1')]).toEqual([1, 1, 2])
  stop()
  expect(await told('3')).toBe(2)
})
