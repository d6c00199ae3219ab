import type { ApolloCache, Reference } from '@apollo/client'

import { LibraryDocument, type KnowledgeFieldsFragment, type LibraryQueryVariables } from '../../gql/operations'

/** A list of titles in the cache. */
interface KeptTitles {
  totalCount: number
  edges: { node: Reference }[]
}

/** The fields of a cached request that concern its item. */
interface KeptRequest {
  knowledge: Reference | null
  status: string
  respondedAt: string | null
}

/** The titles that a list shows: the viewer's own, or those of everybody else. */
export type View = 'others' | 'mine'

/** listOf returns the variables of the list for a view and a search. */
export function listOf(view: View, viewerId: string, search: string): LibraryQueryVariables {
  const where = view === 'mine' ? { ownerId: viewerId } : { ownerIdNEQ: viewerId }
  return { search: search || null, where }
}

/** putOnTop adds new titles, the newest first, on top of a loaded list, each once. */
export function putOnTop(cache: ApolloCache, list: LibraryQueryVariables, titles: KnowledgeFieldsFragment[]) {
  cache.updateQuery({ query: LibraryDocument, variables: list }, (data) => {
    if (!data?.knowledge) return data
    const { edges } = data.knowledge
    const known = new Set(edges.map(({ node }) => node.id))
    const fresh = titles.filter(({ id }) => !known.has(id))
    const added = fresh.map((title) => ({
      __typename: 'KnowledgeEdge' as const,
      node: { __typename: 'Knowledge' as const, ...title },
    }))
    const totalCount = data.knowledge.totalCount + fresh.length
    return { ...data, knowledge: { ...data.knowledge, totalCount, edges: [...added, ...edges] } }
  })
}

/**
 * forget removes a deleted item from everything that was loaded, and denies its pending requests, as the server does.
 * Lists of requests are fetched again when they are next shown, because a denied request belongs to other lists.
 */
export function forget(cache: ApolloCache, id: string) {
  cache.batch({
    update(batch) {
      batch.modify<{ knowledge: KeptTitles; knowledgeRequests: unknown }>({
        fields: {
          knowledge(kept, { readField }) {
            const list = kept as KeptTitles
            const edges = list.edges.filter(({ node }) => readField('id', node) !== id)
            return edges.length < list.edges.length ? { ...list, edges, totalCount: list.totalCount - 1 } : list
          },
          knowledgeRequests: (_, { DELETE }) => DELETE,
        },
      })
      const item = batch.identify({ __typename: 'Knowledge', id })
      for (const [key, entity] of Object.entries(batch.extract() as Record<string, KeptRequest>)) {
        if (!key.startsWith('KnowledgeRequest:') || entity.knowledge?.__ref !== item) continue
        const denied = entity.status === 'PENDING' && { status: 'DENIED', respondedAt: new Date().toISOString() }
        batch.modify<KeptRequest>({
          id: key,
          fields: {
            knowledge: () => null,
            status: (status) => (denied ? denied.status : status),
            respondedAt: (at) => (denied ? denied.respondedAt : at),
          },
        })
      }
      batch.evict({ id: item })
    },
  })
  cache.gc()
}

/** fits reports whether the title matches a search, by the server's rule. */
export function fits({ title }: { title: string }, search: string): boolean {
  return title.toLowerCase().includes(search.toLowerCase())
}
