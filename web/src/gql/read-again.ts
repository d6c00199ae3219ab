import type { ApolloClient, ObservableQuery } from '@apollo/client'
import { filter, firstValueFrom, race, timer } from 'rxjs'

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

async function answered(query: ObservableQuery) {
  const answers = query.pipe(filter(({ loading }) => !loading))
  await firstValueFrom(race(answers, timer(patience)), { defaultValue: undefined })
}
