import { useQuery } from '@apollo/client/react'
import { useEffect, useMemo, useState } from 'react'

import { RequestsDocument, type KnowledgeRequestStatus, type RequestBox } from '../../gql/operations'
import { handledElsewhere } from '../../ui/errors'

const pageSize = 20
const mostAtOnce = 100 // the server gives no more

/**
 * useRequests returns one of the viewer's two boxes, or the requests in it with `status`, the newest first. Later
 * fetches return as many as are shown, so that a long list keeps its position. Another box or status needs another
 * instance of the calling component.
 */
export function useRequests(box: RequestBox, status: KnowledgeRequestStatus | undefined) {
  const { data, previousData, loading, error, refetch, fetchMore } = useQuery(RequestsDocument, {
    variables: { box, status, first: pageSize },
    fetchPolicy: 'cache-and-network',
  })
  // If a later fetch fails, the previous data stays.
  const found = (data ?? previousData)?.knowledgeRequests
  const edges = found?.edges
  const requests = useMemo(() => (edges ?? []).map(({ node }) => node), [edges])
  const page = found?.pageInfo
  const [noMore, setNoMore] = useState<unknown>()
  const hasMore = page?.hasNextPage === true

  /** A longer list is fetched as a whole, because later fetches use the same length. */
  function more(): Promise<unknown> {
    if (requests.length >= mostAtOnce) return fetchMore({ variables: { first: pageSize, after: page?.endCursor } })
    const first = Math.min(requests.length + pageSize, mostAtOnce)
    return refetch({ box, status, first }).catch((failed: unknown) => {
      setNoMore(failed)
      throw failed
    })
  }

  // After the viewer has answered a whole page, the next one is fetched, instead of showing an empty list.
  const isUsedUp = !loading && !error && requests.length === 0 && hasMore
  useEffect(() => {
    if (isUsedUp) void refetch().catch(handledElsewhere)
  }, [isUsedUp, refetch])

  return {
    requests,
    isLoading: (loading || isUsedUp) && requests.length === 0,
    /** Why the list may be out of date. `more` rejects with the reason why it did not get longer. */
    error: error === noMore ? undefined : error,
    reload: () => refetch().catch(handledElsewhere),
    /** more shows the next page, if there is one. It rejects if fetching fails. */
    more: hasMore ? more : undefined,
  }
}
