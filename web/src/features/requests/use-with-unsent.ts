import { useFragment } from '@apollo/client/react'
import { useSyncExternalStore } from 'react'

import { RequestFieldsFragmentDoc, type RequestFieldsFragment } from '../../gql/operations'
import { useDrafts } from './drafts'

/**
 * useWithUnsent adds the requests that the viewer is writing an answer to and that have left the list, be it because
 * another device answered them or because the list was fetched again and is shorter: nobody loses the card they write in.
 */
export function useWithUnsent(requests: RequestFieldsFragment[], wanted: boolean): RequestFieldsFragment[] {
  const drafts = useDrafts()
  const unsent = useSyncExternalStore(drafts.subscribe, drafts.unsent)
  const listed = new Set(requests.map((request) => request.id))
  const left = wanted ? unsent.filter((id) => !listed.has(id)) : []
  const { data } = useFragment({
    fragment: RequestFieldsFragmentDoc,
    fragmentName: 'RequestFields',
    from: left.map((id) => ({ __typename: 'KnowledgeRequest', id })),
  })
  const kept = data.flatMap((request) => (request?.id === undefined ? [] : [request as RequestFieldsFragment]))
  if (kept.length === 0) return requests
  return [...requests, ...kept].sort((a, b) => b.createdAt.localeCompare(a.createdAt))
}
