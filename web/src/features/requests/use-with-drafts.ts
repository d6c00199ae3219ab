import { useFragment } from '@apollo/client/react'
import { useSyncExternalStore } from 'react'

import { RequestFieldsFragmentDoc, type RequestFieldsFragment } from '../../gql/operations'
import { useDrafts } from './drafts'

/**
 * useWithDrafts adds requests that have left the list while the viewer was writing an answer to them. So nobody loses
 * the card with their text, if another device answers or a shorter list is fetched.
 */
export function useWithDrafts(requests: RequestFieldsFragment[], wanted: boolean): RequestFieldsFragment[] {
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
