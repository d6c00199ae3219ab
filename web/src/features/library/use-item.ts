import type { WatchQueryFetchPolicy } from '@apollo/client'
import { skipToken, useFragment, useQuery } from '@apollo/client/react'

import { KnowledgeFieldsFragmentDoc, KnowledgeItemDocument, MeDocument } from '../../gql/operations'
import { isMissing } from '../../ui/errors'

/**
 * useItem reads one item with its content, which is null if the viewer may not read it. `known` is the data from a
 * list, if there is some. `notFound` is true if the item does not exist. Without an id nothing is read. Another id
 * needs another instance of the calling component.
 */
export function useItem(id: string | undefined, fetchPolicy: WatchQueryFetchPolicy = 'cache-and-network') {
  const viewerId = useQuery(MeDocument).data?.viewer?.user.id
  const { data, previousData, error, refetch } = useQuery(KnowledgeItemDocument, id ? { variables: { id }, fetchPolicy } : skipToken)
  const listed = useFragment({
    fragment: KnowledgeFieldsFragmentDoc,
    fragmentName: 'KnowledgeFields',
    from: id ? { __typename: 'Knowledge', id } : null,
  })

  // If a later fetch fails, the previous data stays.
  const node = (data ?? previousData)?.node
  const item = node?.__typename === 'Knowledge' ? node : undefined
  const notFound = isMissing(error) || (data !== undefined && !item)
  const known = item ?? (listed.dataState === 'complete' && !notFound ? listed.data : undefined)
  return { item, known, own: known !== undefined && known.owner.id === viewerId, notFound, error, refetch }
}
