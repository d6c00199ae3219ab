import { useApolloClient } from '@apollo/client/react'
import { notifications } from '@mantine/notifications'
import { useSyncExternalStore } from 'react'

import { RequestDocument, RespondDocument, type KnowledgeResponse, type RequestFieldsFragment } from '../../gql/operations'
import { putRequest } from '../../gql/request-cache'
import { codeOf } from '../../ui/errors'
import { useDrafts } from './drafts'
import { requestIn } from './request-in'

/** How an answer is said. */
const wordOf: Record<KnowledgeResponse, string> = { APPROVED: 'Approved', DENIED: 'Denied' }

/**
 * useAnswer is the viewer's answer to a request that they received, from the first letter to the moment the server has
 * it. Words are kept until then; where another device was first they are kept too, until `discard`.
 */
export function useAnswer(request: RequestFieldsFragment) {
  const client = useApolloClient()
  const drafts = useDrafts()
  const { id, owner, requester } = request
  const draft = useSyncExternalStore(drafts.subscribe, () => drafts.get(id))

  /** showPresent fetches how the request stands now. */
  async function showPresent() {
    const { data } = await client.query({
      query: RequestDocument,
      variables: { id },
      fetchPolicy: 'network-only',
      context: { queryDeduplication: false }, // an answer that is under way can be older
    })
    const present = requestIn(data)
    if (!present) return
    putRequest(client.cache, present, owner.id)
    if (present.status === 'PENDING') return
    notifications.show({
      color: 'yellow',
      title: 'This was answered already',
      message: `${wordOf[present.status]}, on another device. ${requester.name} was told then.`,
    })
  }

  async function send(status: KnowledgeResponse) {
    const { text } = draft
    if (draft.sending) return
    drafts.set(id, { text, sending: status })
    try {
      await client.mutate({
        mutation: RespondDocument,
        variables: { input: { requestId: id, status, responseContent: text.trim() || null } },
        update(cache, { data }) {
          drafts.drop(id)
          if (data?.respondToRequest) putRequest(cache, data.respondToRequest.knowledgeRequest, owner.id)
        },
      })
      notifications.show({ color: 'teal', message: `${wordOf[status]}. ${requester.name} was told.` })
    } catch (error) {
      drafts.set(id, { text, error })
      if (codeOf(error) !== 'ALREADY_ANSWERED') return
      drafts.set(id, { text })
      await showPresent().catch((unreachable: unknown) => drafts.set(id, { text, error: unreachable }))
    }
  }

  return {
    draft,
    write: (text: string) => drafts.set(id, { text }),
    discard: () => drafts.drop(id),
    send,
  }
}
