import type { ApolloClient, ObservableQuery } from '@apollo/client'

/** A query that nobody shows any more is silent: its answer is not waited for any longer than this, in milliseconds. */
const patience = 10_000

/**
 * readAgain fetches the queries on the screen, or those of some documents, each after what is under way for it. Apollo
 * gives a query the answer that an equal one waits for, and that can be older than what the caller has just learned.
 * It does not reject: each result is returned.
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
      queueMicrotask(() => watching.unsubscribe()) // it may be called before there is something to unsubscribe
      resolve()
    }
  })
}
