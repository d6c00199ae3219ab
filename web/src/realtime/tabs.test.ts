import { ApolloClient, ApolloLink, gql, InMemoryCache } from '@apollo/client'
import { GraphQLError } from 'graphql'
import { of } from 'rxjs'
import { expect, it, onTestFinished, vi } from 'vitest'

import { Tabs } from './tabs'

const write = gql`
  mutation Write {
    write
  }
`
const read = gql`
  query Read {
    read
  }
`

/** openTab is a client whose server answers with what it is told. */
function openTab(answer: ApolloLink.Result) {
  const tabs = new Tabs()
  onTestFinished(() => tabs.close())
  const link = ApolloLink.from([tabs.link, new ApolloLink(() => of(answer))])
  const written = vi.fn()
  tabs.onWritten(written)
  return { written, client: new ApolloClient({ cache: new InMemoryCache(), link }) }
}

it('tells the other tabs of what was written, and neither itself nor of what was read or refused', async () => {
  const other = openTab({ data: {} })
  const refused = openTab({ errors: [new GraphQLError('no')] })
  const tab = openTab({ data: { write: true, read: true } })

  await tab.client.query({ query: read })
  await refused.client.mutate({ mutation: write }).catch(() => undefined)
  await tab.client.mutate({ mutation: write })

  await vi.waitFor(() => expect(other.written).toHaveBeenCalled())
  await vi.waitFor(() => expect(refused.written).toHaveBeenCalledTimes(1))
  expect(other.written).toHaveBeenCalledTimes(1)
  expect(tab.written).not.toHaveBeenCalled()
})
