import type { ApolloClient, ObservableQuery } from '@apollo/client'

/**
 * A query that nobody shows any more may never answer. readAgain waits for it no longer than this, in milliseconds.
 */
const patience = 10_000

/**
 * readAgain fetches the queries on the screen, or those of some documents, each after its running fetch has ended.
 * Apollo gives equal queries the same answer, which may be older than what the caller has just learned. readAgain
 * does not reject but returns each result.
 */
export function readAgain(
  client: ApolloClient,
  include: NonNullable<Parameters<ApolloClient['getObservableQueries']>[0]>,
): Promise<PromiseSettledResult<unknown>[]> {
  return Promise.allSettled([...client.getObservableQueries(include)].map(async (query) => {
    if (query.getCurrentResult().loading) await answered(query)
    return query.refetch()
  }))
}

function answered(query: ObservableQuery): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, patience)
    const watching = query.subscribe(({ loading }) => {
      if (!loading) done()
    })
    function done() {
      clearTimeout(timer)
      queueMicrotask(() => watching.unsubscribe()) // the callback may run before watching is set
      resolve()
    }
  })
}
