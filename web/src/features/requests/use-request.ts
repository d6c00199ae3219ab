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
 * useRequest returns one request and keeps it live: it changes as soon as it is answered on any device. `isMissing`
 * is true if it does not exist or the viewer may not see it. Another id needs another instance of the calling
 * component.
 */
export function useRequest(id: string) {
  const viewerId = useViewerId()
  const client = useApolloClient()
  const { data, previousData, loading, error, refetch } = useQuery(RequestDocument, {
    variables: { id },
    fetchPolicy: 'cache-and-network',
  })
  // If a later fetch fails, the previous data stays.
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
    /** Why the page does not update by itself at the moment. */
    liveError: liveError instanceof RefusedError ? new PlainError('the live connection was refused; it is tried again') : liveError,
    reload: () => {
      void refetch().catch(handledElsewhere)
      if (liveError) restart()
    },
  }
}
