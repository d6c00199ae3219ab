import { useQuery } from '@apollo/client/react'

import { RequestsDocument } from '../../gql/operations'

/**
 * useShared returns the ids of the items that the viewer may read because their owners approved: at most the newest
 * hundred.
 */
export function useShared(): ReadonlySet<string> {
  const { data } = useQuery(RequestsDocument, {
    variables: { box: 'SENT', status: 'APPROVED', first: 100 },
    fetchPolicy: 'cache-and-network',
  })
  return new Set(data?.knowledgeRequests?.edges.flatMap(({ node }) => node.knowledge?.id ?? []))
}
