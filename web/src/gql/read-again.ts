import type { ApolloClient, ObservableQuery } from '@apollo/client'
import { filter, firstValueFrom } from 'rxjs'

/**
 * readAgain fetches the queries on the screen, or those of some documents, after all that is under way for them. Apollo
 * gives a query the answer that an equal one waits for, and that can be older than what the caller has just learned.
 * It does not reject: each result is returned.
 */
export async function readAgain(
  client: ApolloClient,
  include: NonNullable<Parameters<ApolloClient['getObservableQueries']>[0]>,
): Promise<PromiseSettledResult<unknown>[]> {
  const underWay = [...client.getObservableQueries(include)].filter((query) => query.getCurrentResult().loading)
  if (underWay.length > 0) await Promise.all(underWay.map(answered))
  const refetched = client.refetchQueries({ include })
  refetched.catch(() => undefined) // each result is returned
  return Promise.allSettled(refetched.results)
}

/** answered waits until nothing is under way for a query, or nobody watches it any more. */
async function answered(query: ObservableQuery) {
  await firstValueFrom(query.pipe(filter(({ loading }) => !loading)), { defaultValue: undefined })
}
