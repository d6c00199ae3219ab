import { useApolloClient } from '@apollo/client/react'
import { useLasting } from '@lorebridge/realtime/apollo-react'
import { useState } from 'react'

import { KnowledgePublishedDocument, LibraryDocument, type KnowledgeFieldsFragment } from '../../gql/operations'
import { readAgain } from '../../gql/read-again'
import { fits, listOf, putOnTop } from './library-cache'

/**
 * usePublished listens for new titles and returns them, the newest first, until the reader asks for them. So a list
 * does not move while somebody reads it. The viewer's own titles from another device go into their list at once.
 * Titles of others go into an empty list at once.
 */
export function usePublished(viewerId: string | undefined, search: string): KnowledgeFieldsFragment[] {
  const client = useApolloClient()
  const [waiting, setWaiting] = useState<KnowledgeFieldsFragment[]>([])

  function take(title: KnowledgeFieldsFragment, viewer: string) {
    const view = title.owner.id === viewer ? 'mine' : 'others'
    const lists = [...new Set(['', search])]
      .filter((text) => fits(title, text))
      .map((text) => listOf(view, viewer, text))
    for (const variables of lists) {
      const shown = client.readQuery({ query: LibraryDocument, variables })
      if (view === 'mine' || shown?.knowledge?.totalCount === 0) putOnTop(client.cache, variables, [title])
    }
    if (view === 'others') setWaiting((before) => [title, ...before.filter(({ id }) => id !== title.id)])
  }

  useLasting(KnowledgePublishedDocument, {
    onData({ knowledgePublished }) {
      if (knowledgePublished && viewerId) take(knowledgePublished, viewerId)
    },
    onGap() {
      void readAgain(client, [LibraryDocument])
    },
  })
  return waiting
}
