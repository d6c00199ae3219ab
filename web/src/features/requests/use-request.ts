import { useQuery, useSubscription } from '@apollo/client/react'
import { useEffect } from 'react'

import { RequestChangedDocument, RequestDocument } from '../../gql/operations'
import { putRequest } from '../../gql/request-cache'
import { RefusedError } from '../../realtime/use-pusher'
import { codeOf, handledElsewhere, isMissing, PlainError } from '../../ui/errors'
import { requestIn } from './request-in'
import { useViewerId } from './use-viewer-id'

/**
 * useRequest is one request, live: it changes here the moment it is answered, on whatever device. What the viewer may
 * not see and what does not exist are both `isMissing`. Another id needs another instance of the component that calls
 * it.
 */
export function useRequest(id: string) {
  const viewerId = useViewerId()
  const { data, previousData, loading, error, refetch } = useQuery(RequestDocument, {
    variables: { id },
    fetchPolicy: 'cache-and-network',
  })
  // Where it cannot be fetched again, what was there stays.
  const request = requestIn(data ?? previousData)

  const live = useSubscription(RequestChangedDocument, {
    variables: { id },
    skip: request?.status !== 'PENDING',
    onData({ client, data: { data: changed } }) {
      if (changed?.knowledgeRequestChanged) putRequest(client.cache, changed.knowledgeRequestChanged, viewerId)
    },
  })
  const { error: liveError, restart } = live
  const hasGap = codeOf(liveError) === 'SUBSCRIPTION_GAP'
  useEffect(() => {
    if (!hasGap) return
    void refetch().catch(handledElsewhere)
    restart()
  }, [hasGap, refetch, restart])

  return {
    viewerId,
    request,
    isLoading: loading && !request,
    isMissing: isMissing(error) || (data !== undefined && !loading && !request),
    error,
    /** Why the page does not change by itself now. */
    liveError: hasGap ? undefined : liveError instanceof RefusedError ? new PlainError(liveError.message) : liveError,
    reload: () => {
      void refetch().catch(handledElsewhere)
      if (liveError) restart()
    },
  }
}
