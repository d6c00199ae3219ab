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

/** useEvents returns the handlers of events, which show them and update the cache. */
export function useEvents(viewerId: string, refresher: Refresher) {
  const client = useApolloClient()
  const seen = useRef<Set<string>>(null) // the notifications of the last resync

  /** put adds a request to all lists that it belongs to, and its notification to the bell's list. */
  function put(request: RequestFieldsFragment, notification?: { eventId: string; kind: NotificationKind; createdAt: string }) {
    refresher.changed()
    putRequest(client.cache, request, viewerId)
    if (request.status === 'APPROVED' && request.knowledge) forgetContent(request.knowledge.id)
    if (notification) {
      const { eventId, ...rest } = notification
      putNotification(client.cache, { id: eventId, ...rest, readAt: null, request })
    }
  }

  /** forgetContent makes the pages of the item fetch it again, because it has just been shared. */
  function forgetContent(knowledgeId: string) {
    client.cache.modify({ id: `Knowledge:${knowledgeId}`, fields: { content: (_, { DELETE }) => DELETE } })
  }

  async function fetchRequest(requestId: number): Promise<RequestFieldsFragment | undefined> {
    const { data } = await client.query({
      query: EventRequestDocument,
      variables: { id: String(requestId) },
      fetchPolicy: 'network-only',
      context: { retry: true, queryDeduplication: false }, // a running query may return an answer from before the event
    })
    return data?.node?.__typename === 'KnowledgeRequest' ? data.node : undefined
  }

  return {
    put,

    /**
     * onRequest shows the event at once. The event lacks data for the lists, such as the requester's id and the item.
     */
    async onRequest({ eventId, requestId, requesterName, question, createdAt }: KnowledgeRequestEvent) {
      announceRequest(eventId, requestId, requesterName, question)
      const request = await fetchRequest(requestId)
      if (request) put(request, { eventId, kind: 'KNOWLEDGE_REQUEST', createdAt })
    },

    /**
     * onResponse asks the server only if the event has no text, which may have been too long, or if the request is
     * not in the cache.
     */
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
     * onResync fetches everything on the screen, and announces what is new since the last time, even if another fetch
     * got it first. The first time this is everything since the page was loaded.
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
      const oldest = nodes.findLastIndex(({ id }) => known.has(id)) // notifications below it are old, and were loaded by scrolling
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
