import { useApolloClient, useQuery, useSubscription } from '@apollo/client/react'
import { notifications } from '@mantine/notifications'
import { useEffect, useMemo } from 'react'

import { putNotification } from '../../gql/notification-cache'
import {
  EventRequestDocument,
  MeDocument,
  NotificationsDocument,
  RealtimeDocument,
  RequestFieldsFragmentDoc,
  ViewerActedDocument,
  type NotificationKind,
  type RequestFieldsFragment,
} from '../../gql/operations'
import { putRequest } from '../../gql/request-cache'
import { useRealtime } from '../../realtime/context'
import {
  usePusher,
  type KnowledgeRequestEvent,
  type KnowledgeResponseEvent,
  type PusherState,
  type RefusedError,
} from '../../realtime/use-pusher'
import { codeOf } from '../../ui/errors'
import { announceMissed, announceRequest, announceResponse } from './announce'
import { refresh } from './refresh'
import { useReturns } from './use-returns'

/**
 * useLive keeps the cache of a signed-in person in step with the server for as long as it is mounted, and says how the connection is.
 * Nothing is polled: what others do comes as events, what the viewer does elsewhere by a subscription, and what was missed is read
 * after each join, whenever the page comes back to the eye, and when another tab has written.
 */
export function useLive(viewerId: string): PusherState {
  const client = useApolloClient()
  const { pusherSource, tabs } = useRealtime()
  const { data } = useQuery(RealtimeDocument, { context: { retry: true } })

  /** put brings a request into all lists that it belongs to, and what it tells into the bell's. */
  function put(request: RequestFieldsFragment, told?: { eventId: string; kind: NotificationKind; createdAt: string }) {
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
      context: { retry: true },
    })
    return data?.node?.__typename === 'KnowledgeRequest' ? data.node : undefined
  }

  /** onRequest tells at once what the event says; who asks for which item, it does not say. */
  async function onRequest({ eventId, requestId, requesterName, question, createdAt }: KnowledgeRequestEvent) {
    announceRequest(eventId, requestId, requesterName, question)
    const request = await fetchRequest(requestId)
    if (request) put(request, { eventId, kind: 'KNOWLEDGE_REQUEST', createdAt })
  }

  /** onResponse needs the server only where the answer did not fit into the event, or has no text, or the request is not known here. */
  async function onResponse({ eventId, requestId, status, responseContent }: KnowledgeResponseEvent) {
    const now = new Date().toISOString()
    const known = client.cache.readFragment({
      id: `KnowledgeRequest:${requestId}`,
      fragment: RequestFieldsFragmentDoc,
      fragmentName: 'RequestFields',
    })
    const request =
      known && responseContent !== undefined
        ? { ...known, status: status === 'approved' ? ('APPROVED' as const) : ('DENIED' as const), responseContent, respondedAt: now }
        : await fetchRequest(requestId)
    if (!request) return
    announceResponse(eventId, request)
    put(request, { eventId, kind: 'KNOWLEDGE_RESPONSE', createdAt: now })
  }

  async function onResync(claim: (eventId: string) => boolean) {
    const before = client.readQuery({ query: NotificationsDocument })
    const known = new Set(before?.notifications.edges?.map((edge) => edge?.node?.id))
    await refresh(client)
    const after = client.readQuery({ query: NotificationsDocument })
    const fresh = after?.notifications.edges?.flatMap((edge) => edge?.node ?? []).filter(({ id }) => claim(id)) ?? []
    const missed = before ? fresh.filter(({ id }) => !known.has(id)).reverse() : []
    for (const { request } of missed) if (request) put(request)
    announceMissed(missed)
  }

  /** onRefused finds out whether the session has ended: then the page becomes the one to sign in. */
  async function onRefused(error: RefusedError) {
    const { data } = await client.query({ query: MeDocument, fetchPolicy: 'network-only', context: { retry: true } })
    if (!data?.me) return
    notifications.show({
      id: 'refused',
      color: 'red',
      autoClose: false,
      title: 'Live updates are off',
      message: `${error.message} Load the page again to try once more.`,
    })
  }

  const options = useMemo(() => {
    if (!data) return null
    const { key, cluster, host, port, tls, channel, authEndpoint } = data.realtime
    return { key, cluster: cluster ?? undefined, host: host ?? undefined, port: port ?? undefined, tls, channel, authEndpoint }
  }, [data])

  const { state, pusher } = usePusher(
    options && {
      ...options,
      onRequest: (event) => void onRequest(event).catch(quiet),
      onResponse: (event) => void onResponse(event).catch(quiet),
      onResync,
      onRefused: (error) => void onRefused(error).catch(quiet),
    },
  )
  useEffect(() => {
    pusherSource.set(pusher)
    return () => pusherSource.set(null)
  }, [pusherSource, pusher])

  useSubscription(ViewerActedDocument, {
    ignoreResults: true,
    onData: ({ data: { data } }) => {
      if (data?.viewerActed) put(data.viewerActed)
    },
    onError: (error) => {
      if (codeOf(error) === 'SUBSCRIPTION_GAP') void refresh(client).catch(quiet)
    },
  })

  useReturns(() => void refresh(client).catch(quiet))
  useEffect(() => tabs.onWritten(() => void refresh(client).catch(quiet)), [tabs, client])

  return state
}

/** quiet is for what the next join, the next look at the page or the next write makes good. */
function quiet() {
  // nothing to do
}
