import { useApolloClient, useQuery, useSubscription } from '@apollo/client/react'
import { notifications } from '@mantine/notifications'
import { useCallback, useEffect, useState } from 'react'

import { MeDocument, RealtimeDocument, ViewerActedDocument } from '../../gql/operations'
import { useRealtime } from '../../realtime/context'
import { RefusedError, usePusher, type PusherState } from '../../realtime/use-pusher'
import { codeOf, handledElsewhere, messageOf } from '../../ui/errors'
import { Refresher } from './refresh'
import { useEvents } from './use-events'
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
  const [refresher] = useState(() => new Refresher(client))
  const events = useEvents(viewerId, refresher)

  /** refused finds out whether the session has ended: then the page becomes the one to sign in. */
  async function refused(error: unknown) {
    // Not joined to a question that is on its way: its answer may be older than the refusal.
    const context = { retry: true, queryDeduplication: false }
    const { data } = await client.query({ query: MeDocument, fetchPolicy: 'network-only', context })
    if (!data?.me) return
    notifications.show({
      id: 'refused',
      color: 'red',
      autoClose: false,
      title: 'Not everything is live',
      message: `${error instanceof RefusedError ? error.message : messageOf(error)} Load the page again to try once more.`,
    })
  }

  const { state, pusher } = usePusher(
    data?.realtime
      ? {
          ...data.realtime,
          onRequest: (event) => void events.onRequest(event).catch(handledElsewhere),
          onResponse: (event) => void events.onResponse(event).catch(handledElsewhere),
          onResync: (claim) => events.onResync(claim),
          onRefused: (error) => void refused(error).catch(handledElsewhere),
        }
      : null,
  )
  useEffect(() => {
    pusherSource.set(pusher)
    return () => pusherSource.set(null)
  }, [pusherSource, pusher])

  const readAgain = useCallback(() => void refresher.run().catch(handledElsewhere), [refresher])
  useSubscription(ViewerActedDocument, {
    ignoreResults: true,
    onData: ({ data: { data } }) => {
      if (data?.viewerActed) events.put(data.viewerActed)
    },
    onError: (error) => {
      if (codeOf(error) === 'SUBSCRIPTION_GAP') readAgain()
      else void refused(error).catch(handledElsewhere)
    },
  })
  useReturns(readAgain)
  useEffect(() => tabs.onWritten(readAgain), [tabs, readAgain])

  return state
}
