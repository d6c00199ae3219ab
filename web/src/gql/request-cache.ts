import type { ApolloCache, Reference } from '@apollo/client'

import { RequestFieldsFragmentDoc, type RequestBox, type RequestFieldsFragment } from './operations'

/** One list of requests in the cache, of any box and status. */
interface KeptList {
  edges: { __typename: string; node: Reference }[]
  pageInfo?: { hasNextPage?: boolean }
}

/**
 * putRequest makes every loaded list of requests agree with this request. Lists that it belongs to contain it once,
 * at its place by time, and other lists do not. If its place is below the loaded part, the next page will contain it.
 * An answered request stays answered even if an older version comes later. Putting the same request again changes
 * nothing.
 */
export function putRequest(cache: ApolloCache, request: RequestFieldsFragment, viewerId: string): void {
  const id = cache.identify({ __typename: 'KnowledgeRequest', id: request.id })
  const entry = { id, fragment: RequestFieldsFragmentDoc, fragmentName: 'RequestFields' }
  const known = cache.readFragment(entry)
  const current = known && known.status !== 'PENDING' && request.status === 'PENDING' ? known : request
  const boxes: RequestBox[] = []
  if (current.owner.id === viewerId) boxes.push('RECEIVED')
  if (current.requester.id === viewerId) boxes.push('SENT')

  cache.batch({
    update(batch) {
      if (current !== known) batch.writeFragment({ ...entry, data: current })
      batch.modify<{ knowledgeRequests: KeptList }>({
        fields: {
          knowledgeRequests(kept, { storeFieldName, readField, toReference }) {
            const list = kept as KeptList
            const { box, status } = argumentsIn(storeFieldName)
            const belongs = boxes.includes(box) && (!status || status === current.status)
            const isIt = (edge: KeptList['edges'][number]) => readField('id', edge.node) === current.id
            const first = list.edges.findIndex(isIt)
            const others = list.edges.filter((edge, index) => !isIt(edge) || (belongs && index === first))
            if (!belongs || first >= 0) return others.length < list.edges.length ? { ...list, edges: others } : list

            const node = toReference({ __typename: 'KnowledgeRequest', id: current.id })
            const older = others.findIndex((edge) => (readField<string>('createdAt', edge.node) ?? '') <= current.createdAt)
            if (!node || (older < 0 && others.length > 0 && list.pageInfo?.hasNextPage)) return list
            const place = older < 0 ? others.length : older
            return { ...list, edges: others.toSpliced(place, 0, { __typename: 'KnowledgeRequestEdge', node }) }
          },
        },
      })
    },
  })
}

/** The cache stores a list under the field's name with its arguments as JSON. */
function argumentsIn(storeFieldName: string) {
  return JSON.parse(storeFieldName.slice(storeFieldName.indexOf('{'))) as { box: RequestBox; status?: string | null }
}
