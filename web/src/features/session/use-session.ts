import type { ApolloCache } from '@apollo/client'
import { useApolloClient, useQuery } from '@apollo/client/react'
import { useCallback, useEffect } from 'react'
import { navigate } from 'wouter/use-browser-location'

import { MeDocument, SignOutDocument, type MeQuery } from '../../gql/operations'

export type Viewer = NonNullable<MeQuery['viewer']>

/** useSession returns the signed-in person: undefined while that is not known, null if there is none. */
export function useSession() {
  const client = useApolloClient()
  const { data, error, refetch } = useQuery(MeDocument)

  const setViewer = useCallback((viewer: Viewer | null) => client.writeQuery({ query: MeDocument, data: { viewer } }), [client])
  const signOut = useCallback(async () => {
    await client.mutate({ mutation: SignOutDocument })
    setViewer(null)
    navigate('/sign-in', { replace: true }) // not to the previous page, because another person may be next
  }, [client, setViewer])
  return { viewer: data?.viewer, error, refetch, setViewer, signOut }
}

/** useForgetting clears the cache after signing out. By then no page is left that would fetch its data again. */
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
