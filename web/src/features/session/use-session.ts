import type { ApolloCache } from '@apollo/client'
import { useApolloClient, useQuery } from '@apollo/client/react'
import { useCallback, useEffect } from 'react'
import { navigate } from 'wouter/use-browser-location'

import { MeDocument, SignOutDocument, type MeQuery } from '../../gql/operations'

export type Viewer = NonNullable<MeQuery['viewer']>

/** useSession says who is signed in: undefined while that is being asked, null where nobody is. */
export function useSession() {
  const client = useApolloClient()
  const { data, error, refetch } = useQuery(MeDocument)

  const setViewer = useCallback((viewer: Viewer | null) => client.writeQuery({ query: MeDocument, data: { viewer } }), [client])
  const signOut = useCallback(async () => {
    await client.mutate({ mutation: SignOutDocument })
    setViewer(null)
    navigate('/sign-in', { replace: true }) // and not back to where one was: another person may be next
  }, [client, setViewer])
  return { viewer: data?.viewer, error, refetch, setViewer, signOut }
}

/** useForgetting empties the cache once nobody is signed in: by then no page is left that would ask for its data again. */
export function useForgetting(viewer: Viewer | null | undefined) {
  const { cache } = useApolloClient()
  useEffect(() => {
    if (viewer === null) forget(cache)
  }, [cache, viewer])
}

function forget(cache: ApolloCache) {
  cache.modify({ fields: (value: unknown, { fieldName, DELETE }) => (fieldName === 'viewer' ? value : DELETE) })
  cache.gc()
}
