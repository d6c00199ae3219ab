import { useQuery } from '@apollo/client/react'
import { useEffect, useMemo } from 'react'

import { RequestsDocument, type KnowledgeRequestStatus, type RequestBox } from '../../gql/operations'
import { shown } from '../../ui/errors'

const pageSize = 20
const mostAtOnce = 100 // the server gives no more

/**
 * useRequests is one of the viewer's two boxes, or what stands at `status` in it, the newest first. Whenever it is
 * fetched again, as many come back as are shown: nobody's place in a long list is lost.
 */
export function useRequests(box: RequestBox, status: KnowledgeRequestStatus | undefined) {
  const { data, loading, error, refetch, fetchMore } = useQuery(RequestsDocument, {
    variables: { box, status, first: pageSize },
    fetchPolicy: 'cache-and-network',
  })
  const edges = data?.knowledgeRequests.edges
  const requests = useMemo(() => (edges ?? []).flatMap((edge) => edge?.node ?? []), [edges])
  const page = data?.knowledgeRequests.pageInfo
  const hasMore = page?.hasNextPage === true

  /** A longer list is asked for as a whole: its length is what later fetches ask for too. */
  function more(): Promise<unknown> {
    if (requests.length >= mostAtOnce) return fetchMore({ variables: { first: pageSize, after: page?.endCursor } })
    return refetch({ box, status, first: Math.min(requests.length + pageSize, mostAtOnce) })
  }

  // Whoever has answered a whole page is shown the next one, and not that nothing is left.
  const isUsedUp = !loading && !error && requests.length === 0 && hasMore
  useEffect(() => {
    if (isUsedUp) void refetch().catch(shown)
  }, [isUsedUp, refetch])

  return {
    requests,
    isLoading: (loading || isUsedUp) && requests.length === 0,
    error,
    reload: () => refetch().catch(shown),
    /** more shows the next page, where there is one; it rejects where that fails. */
    more: hasMore ? more : undefined,
  }
}
