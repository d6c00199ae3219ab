import { useQuery, useSubscription } from '@apollo/client/react'
import { useEffect } from 'react'

import { RequestChangedDocument, RequestDocument } from '../../gql/operations'
import { putRequest } from '../../gql/request-cache'
import { codeOf, shown } from '../../ui/errors'
import { requestIn } from './request-in'
import { useViewerId } from './use-viewer-id'

/**
 * useRequest is one request, live: it changes here the moment it is answered, on whatever device. What the viewer may
 * not see and what does not exist are both `isMissing`.
 */
export function useRequest(id: string) {
  const viewerId = useViewerId()
  const { data, loading, error, refetch } = useQuery(RequestDocument, {
    variables: { id },
    fetchPolicy: 'cache-and-network',
  })
  const request = requestIn(data)

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
    void refetch().catch(shown)
    restart()
  }, [hasGap, refetch, restart])

  const code = codeOf(error)
  return {
    viewerId,
    request,
    isLoading: loading && !request,
    isMissing: code === 'NOT_FOUND' || code === 'BAD_USER_INPUT' || (data !== undefined && !loading && !request),
    error,
    /** Why the page does not change by itself now. */
    liveError: hasGap ? undefined : liveError,
    reload: () => {
      void refetch().catch(shown)
      if (liveError) restart()
    },
  }
}
