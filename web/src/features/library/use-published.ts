import { useApolloClient } from '@apollo/client/react'
import { useLasting } from '@lorebridge/realtime/apollo-react'
import { useState } from 'react'

import { KnowledgePublishedDocument, LibraryDocument, type KnowledgeFieldsFragment } from '../../gql/operations'
import { readAgain } from '../../gql/read-again'
import { fits, listOf, putOnTop } from './library-cache'

/**
 * usePublished listens to new titles and returns those that wait, the newest first, until the reader asks for them: a list
 * does not move under the eye. The viewer's own, made on another device, go straight into their list, and others' into one
 * that is empty.
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
