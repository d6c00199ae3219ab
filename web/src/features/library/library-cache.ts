import type { ApolloCache, Reference } from '@apollo/client'

import { LibraryDocument, type KnowledgeFieldsFragment, type LibraryQueryVariables } from '../../gql/operations'

/** What the cache keeps of one list of titles. */
interface KeptTitles {
  totalCount: number
  edges: { node: Reference }[]
}

/** What the cache keeps of one request, as far as its item matters. */
interface KeptRequest {
  knowledge: Reference | null
  status: string
  respondedAt: string | null
}

/** Whose titles a list shows: the viewer's own, or everybody else's. */
export type View = 'others' | 'mine'

/** listOf is the list that a view shows, for this search. */
export function listOf(view: View, viewerId: string, search: string): LibraryQueryVariables {
  const where = view === 'mine' ? { ownerId: viewerId } : { ownerIdNEQ: viewerId }
  return { search: search || null, where }
}

/** putOnTop puts new titles, the newest first, on top of a list that has been loaded, each once. */
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
 * forget takes a deleted item out of all that was loaded, and denies what was pending for it, as the server does.
 * The lists of requests are read anew when they are next shown: which of them a denied one belongs to has changed.
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

/** fits says whether a search finds the title, as the server decides it. */
export function fits({ title }: { title: string }, search: string): boolean {
  return title.toLowerCase().includes(search.toLowerCase())
}
