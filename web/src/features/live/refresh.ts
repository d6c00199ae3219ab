import type { ApolloClient } from '@apollo/client'
import { CombinedGraphQLErrors } from '@apollo/client/errors'

/** refresh reads again whatever is on the screen. It rejects where the server could not be reached, and not for what it refuses. */
export async function refresh(client: ApolloClient) {
  const refetched = client.refetchQueries({ include: 'active' })
  refetched.catch(() => undefined) // each result is looked at below
  for (const result of await Promise.allSettled(refetched.results)) {
    if (result.status === 'rejected' && !CombinedGraphQLErrors.is(result.reason)) throw result.reason
  }
}
