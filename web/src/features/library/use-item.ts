import type { WatchQueryFetchPolicy } from '@apollo/client'
import { skipToken, useFragment, useQuery } from '@apollo/client/react'

import { KnowledgeFieldsFragmentDoc, KnowledgeItemDocument, MeDocument } from '../../gql/operations'
import { isMissing } from '../../ui/errors'

/**
 * useItem reads one item with its content, null where the viewer may not read it. `known` is what a list has told of it
 * already; `gone` says that it does not exist. Without an id nothing is read; another
 * one needs another instance of the component that calls it.
 */
export function useItem(id: string | undefined, fetchPolicy: WatchQueryFetchPolicy = 'cache-and-network') {
  const viewerId = useQuery(MeDocument).data?.viewer?.user.id
  const { data, previousData, error, refetch } = useQuery(KnowledgeItemDocument, id ? { variables: { id }, fetchPolicy } : skipToken)
  const listed = useFragment({
    fragment: KnowledgeFieldsFragmentDoc,
    fragmentName: 'KnowledgeFields',
    from: id ? { __typename: 'Knowledge', id } : null,
  })

  // Where it cannot be fetched again, what was there stays.
  const node = (data ?? previousData)?.node
  const item = node?.__typename === 'Knowledge' ? node : undefined
  const gone = isMissing(error) || (data !== undefined && !item)
  const known = item ?? (listed.dataState === 'complete' && !gone ? listed.data : undefined)
  return { item, known, own: known !== undefined && known.owner.id === viewerId, gone, error, refetch }
}
