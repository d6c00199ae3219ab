import { ApolloClient, ApolloLink } from '@apollo/client'
import { ApolloProvider } from '@apollo/client/react'
import { cleanup, fireEvent, screen } from '@testing-library/react'
import { afterEach, expect, it } from 'vitest'

import { newCache } from '../../cache'
import type { RequestFieldsFragment } from '../../gql/operations'
import { ada, asked, bob } from '../../gql/testing/request'
import { show } from '../../ui/testing/show'
import { Answering } from './Answering'
import { DraftsProvider } from './drafts'

const client = new ApolloClient({ cache: newCache(), link: ApolloLink.empty() })
const nowhere = { current: null }

function page(request: RequestFieldsFragment, viewerId: string, session = viewerId) {
  return (
    <ApolloProvider client={client}>
      <DraftsProvider key={session}>
        <Answering request={request} viewerId={viewerId} focusAfter={nowhere} />
      </DraftsProvider>
    </ApolloProvider>
  )
}

afterEach(cleanup)

/** openWithDraft shows Bob's page. He was writing an answer when his other device answered. */
function openWithDraft() {
  const opened = show(page(asked(1), bob.id))
  fireEvent.change(screen.getByRole('textbox'), { target: { value: 'Words of Bob' } })
  opened.rerender(page(asked(1, 'DENIED'), bob.id))
  expect(screen.getByText('Words of Bob')).toBeTruthy()
  return opened
}

it('ends with the session: neither the next person nor the same one sees the text', () => {
  const { rerender } = openWithDraft()
  rerender(page(asked(1, 'DENIED'), ada.id))
  expect(screen.getByText(/Bob denied this/)).toBeTruthy()
  expect(screen.queryByText('Words of Bob')).toBeNull()
  rerender(page(asked(1, 'DENIED'), bob.id))
  expect(screen.getByText(/You denied this/)).toBeTruthy()
  expect(screen.queryByText('Words of Bob')).toBeNull()
})

it('shows an unsent text only to the owner of the request', () => {
  const { rerender } = openWithDraft()
  rerender(page(asked(1, 'DENIED'), ada.id, bob.id))
  expect(screen.getByText(/Bob denied this/)).toBeTruthy()
  expect(screen.queryByText('Words of Bob')).toBeNull()
})
