import { useApolloClient } from '@apollo/client/react'
import { useRef } from 'react'

import { putNotification } from '../../gql/notification-cache'
import {
  EventRequestDocument,
  NotificationsDocument,
  RequestFieldsFragmentDoc,
  type NotificationKind,
  type NotificationsQuery,
  type RequestFieldsFragment,
} from '../../gql/operations'
import { putRequest } from '../../gql/request-cache'
import type { KnowledgeRequestEvent, KnowledgeResponseEvent } from '../../realtime/events'
import { announceMissed, announceRequest, announceResponse } from './announce'
import type { Refresher } from './refresh'

/** useEvents returns what is to be done with each event: tell it, and bring the cache in step. */
export function useEvents(viewerId: string, refresher: Refresher) {
  const client = useApolloClient()
  const seen = useRef<Set<string>>(null) // the notifications of the last resync

  /** put brings a request into all lists that it belongs to, and what was told of it into the bell's. */
  function put(request: RequestFieldsFragment, told?: { eventId: string; kind: NotificationKind; createdAt: string }) {
    refresher.changed()
    putRequest(client.cache, request, viewerId)
    if (request.status === 'APPROVED' && request.knowledge) forgetContent(request.knowledge.id)
    if (told) {
      const { eventId, ...rest } = told
      putNotification(client.cache, { id: eventId, ...rest, readAt: null, request })
    }
  }

  /** forgetContent makes whoever shows the item read it again: it has just been shared. */
  function forgetContent(knowledgeId: string) {
    client.cache.modify({ id: `Knowledge:${knowledgeId}`, fields: { content: (_, { DELETE }) => DELETE } })
  }

  async function fetchRequest(requestId: number): Promise<RequestFieldsFragment | undefined> {
    const { data } = await client.query({
      query: EventRequestDocument,
      variables: { id: String(requestId) },
      fetchPolicy: 'network-only',
      context: { retry: true, queryDeduplication: false }, // an answer that is under way can be older than the event
    })
    return data?.node?.__typename === 'KnowledgeRequest' ? data.node : undefined
  }

  return {
    put,

    /** onRequest tells at once what the event says. Who asks, and for which item, it does not say so that a list could show it. */
    async onRequest({ eventId, requestId, requesterName, question, createdAt }: KnowledgeRequestEvent) {
      announceRequest(eventId, requestId, requesterName, question)
      const request = await fetchRequest(requestId)
      if (request) put(request, { eventId, kind: 'KNOWLEDGE_REQUEST', createdAt })
    },

    /** onResponse asks the server only where the event has no text, which may have been too long for it, or the request is not known here. */
    async onResponse({ eventId, requestId, status, responseContent }: KnowledgeResponseEvent) {
      const now = new Date().toISOString()
      const known = client.cache.readFragment({
        id: `KnowledgeRequest:${requestId}`,
        fragment: RequestFieldsFragmentDoc,
        fragmentName: 'RequestFields',
      })
      const answered = status === 'approved' ? ('APPROVED' as const) : ('DENIED' as const)
      const request =
        known && responseContent !== undefined
          ? { ...known, status: answered, responseContent, respondedAt: now }
          : await fetchRequest(requestId)
      if (!request) return
      announceResponse(eventId, request)
      put(request, { eventId, kind: 'KNOWLEDGE_RESPONSE', createdAt: now })
    },

    /**
     * onResync reads again what is on the screen, and announces what is new in it since the last time, whoever read that first. The
     * first time it is what came after the page was first read.
     */
    async onResync(claim: (eventId: string) => boolean) {
      const read = () => client.readQuery({ query: NotificationsDocument })?.notifications
      seen.current ??= idsOf(read())
      await refresher.run()
      const known = seen.current
      const page = read()
      const nodes = page?.edges.map(({ node }) => node) ?? []
      const fresh = new Set(nodes.filter(({ id }) => claim(id)))
      seen.current = idsOf(page)
      if (!known) return
      const oldest = nodes.findLastIndex(({ id }) => known.has(id)) // what stands below it is old, and was read by scrolling
      const above = oldest === -1 ? nodes : nodes.slice(0, oldest)
      const missed = above.filter((node) => fresh.has(node) && !known.has(node.id)).reverse()
      for (const { request } of missed) if (request) put(request)
      announceMissed(
        missed.filter(({ readAt }) => !readAt),
        missed.length === page?.edges.length && page.pageInfo.hasNextPage,
      )
    },
  }
}

function idsOf(page: NotificationsQuery['notifications'] | undefined): Set<string> | null {
  return page ? new Set(page.edges.map(({ node }) => node.id)) : null
}
