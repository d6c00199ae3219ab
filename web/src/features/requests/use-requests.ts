import { useQuery } from '@apollo/client/react'
import { useEffect, useMemo, useState } from 'react'

import { RequestsDocument, type KnowledgeRequestStatus, type RequestBox } from '../../gql/operations'
import { handledElsewhere } from '../../ui/errors'

const pageSize = 20
const mostAtOnce = 100 // the server gives no more

/**
 * useRequests is one of the viewer's two boxes, or what stands at `status` in it, the newest first. Whenever it is
 * fetched again, as many come back as are shown: nobody's place in a long list is lost. Another box or status needs
 * another instance of the component that calls it.
 */
export function useRequests(box: RequestBox, status: KnowledgeRequestStatus | undefined) {
  const { data, previousData, loading, error, refetch, fetchMore } = useQuery(RequestsDocument, {
    variables: { box, status, first: pageSize },
    fetchPolicy: 'cache-and-network',
  })
  // Where it cannot be fetched again, what was there stays.
  const found = (data ?? previousData)?.knowledgeRequests
  const edges = found?.edges
  const requests = useMemo(() => (edges ?? []).map(({ node }) => node), [edges])
  const page = found?.pageInfo
  const [noMore, setNoMore] = useState<unknown>()
  const hasMore = page?.hasNextPage === true

  /** A longer list is asked for as a whole: its length is what later fetches ask for too. */
  function more(): Promise<unknown> {
    if (requests.length >= mostAtOnce) return fetchMore({ variables: { first: pageSize, after: page?.endCursor } })
    const first = Math.min(requests.length + pageSize, mostAtOnce)
    return refetch({ box, status, first }).catch((failed: unknown) => {
      setNoMore(failed)
      throw failed
    })
  }

  // Whoever has answered a whole page is shown the next one, and not that nothing is left.
  const isUsedUp = !loading && !error && requests.length === 0 && hasMore
  useEffect(() => {
    if (isUsedUp) void refetch().catch(handledElsewhere)
  }, [isUsedUp, refetch])

  return {
    requests,
    isLoading: (loading || isUsedUp) && requests.length === 0,
    /** Why the list is not what the server has; why it is not longer, is what `more` rejects with. */
    error: error === noMore ? undefined : error,
    reload: () => refetch().catch(handledElsewhere),
    /** more shows the next page, where there is one; it rejects where that fails. */
    more: hasMore ? more : undefined,
  }
}
