import { useApolloClient } from '@apollo/client/react'
import { notifications } from '@mantine/notifications'
import { useSyncExternalStore } from 'react'

import { RequestDocument, RespondDocument, type KnowledgeResponse, type RequestFieldsFragment } from '../../gql/operations'
import { putRequest } from '../../gql/request-cache'
import { codeOf } from '../../ui/errors'
import { useDrafts } from './drafts'
import { requestIn } from './request-in'

/** The word for each kind of answer. */
const wordOf: Record<KnowledgeResponse, string> = { APPROVED: 'Approved', DENIED: 'Denied' }

/**
 * useAnswer handles the viewer's answer to a request, from the first letter until the server has it. The text is kept
 * until then. If another device was first, the text is kept until `discard`.
 */
export function useAnswer(request: RequestFieldsFragment) {
  const client = useApolloClient()
  const drafts = useDrafts()
  const { id, owner, requester } = request
  const draft = useSyncExternalStore(drafts.subscribe, () => drafts.get(id))

  /** showPresent fetches the current state of the request. */
  async function showPresent() {
    const { data } = await client.query({
      query: RequestDocument,
      variables: { id },
      fetchPolicy: 'network-only',
      context: { queryDeduplication: false }, // a running query may return an older answer
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
