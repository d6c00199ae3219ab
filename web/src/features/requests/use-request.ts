import { useApolloClient, useQuery } from '@apollo/client/react'
import { RefusedError } from '@lorebridge/realtime/apollo'
import { useLasting } from '@lorebridge/realtime/apollo-react'

import { RequestChangedDocument, RequestDocument } from '../../gql/operations'
import { readAgain } from '../../gql/read-again'
import { putRequest } from '../../gql/request-cache'
import { handledElsewhere, isMissing, PlainError } from '../../ui/errors'
import { requestIn } from './request-in'
import { useViewerId } from './use-viewer-id'

/**
 * useRequest is one request, live: it changes here the moment it is answered, on whatever device. What the viewer may
 * not see and what does not exist are both `isMissing`. Another id needs another instance of the component that calls
 * it.
 */
export function useRequest(id: string) {
  const viewerId = useViewerId()
  const client = useApolloClient()
  const { data, previousData, loading, error, refetch } = useQuery(RequestDocument, {
    variables: { id },
    fetchPolicy: 'cache-and-network',
  })
  // Where it cannot be fetched again, what was there stays.
  const request = requestIn(data ?? previousData)

  const { error: liveError, restart } = useLasting(RequestChangedDocument, {
    variables: { id },
    skip: request?.status !== 'PENDING',
    onData({ knowledgeRequestChanged }) {
      if (knowledgeRequestChanged) putRequest(client.cache, knowledgeRequestChanged, viewerId)
    },
    onGap: () => void readAgain(client, [RequestDocument]),
  })

  return {
    viewerId,
    request,
    isLoading: loading && !request,
    isMissing: isMissing(error) || (data !== undefined && !loading && !request),
    error,
    /** Why the page does not change by itself now. */
    liveError: liveError instanceof RefusedError ? new PlainError('the live connection was refused; it is tried again') : liveError,
    reload: () => {
      void refetch().catch(handledElsewhere)
      if (liveError) restart()
    },
  }
}
