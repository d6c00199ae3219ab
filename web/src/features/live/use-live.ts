import { useApolloClient } from '@apollo/client/react'
import type { UsePusherResult } from '@lorebridge/realtime'
import { useLasting } from '@lorebridge/realtime/apollo-react'
import { useCallback, useEffect, useState } from 'react'

import { RealtimeDocument, ViewerActedDocument } from '../../gql/operations'
import { useRealtime } from '../../realtime/context'
import { usePersonalChannel } from '../../realtime/use-personal-channel'
import { handledElsewhere } from '../../ui/errors'
import { Refresher } from './refresh'
import { useEvents } from './use-events'
import { useReturns } from './use-returns'

/**
 * useLive keeps the cache of a signed-in person up to date while it is mounted, and returns the state of the
 * connection. It does not poll. What others do arrives as events, and what the viewer does on other devices by a
 * subscription. Missed changes are fetched after each join, when the page becomes visible again, and when another tab
 * has changed something. The settings of the connection are fetched again whenever they may have changed.
 */
export function useLive(viewerId: string): UsePusherResult {
  const client = useApolloClient()
  const { pusherSource, tabs, settings } = useRealtime()
  const [refresher] = useState(() => new Refresher(client))
  const events = useEvents(viewerId, refresher)

  /** read also rejects if the session has ended. Then the client has already switched to the page for signing in. */
  async function read() {
    // It does not share a running query, because that may return an older answer.
    const context = { queryDeduplication: false }
    const { data } = await client.query({ query: RealtimeDocument, fetchPolicy: 'no-cache', context })
    if (!data?.realtime) throw new Error('the server does not say how to connect')
    return data.realtime
  }

  const live = usePersonalChannel({
    person: viewerId,
    read,
    on: {
      'knowledge-request': (event) => void events.onRequest(event).catch(handledElsewhere),
      'knowledge-response': (event) => void events.onResponse(event).catch(handledElsewhere),
    },
    onResync: (claim) => events.onResync(claim),
  })
  const { pusher, check } = live
  useEffect(() => {
    pusherSource.set(pusher)
    return () => pusherSource.set(null)
  }, [pusherSource, pusher])

  const readAgain = useCallback(() => void refresher.run().catch(handledElsewhere), [refresher])
  useLasting(ViewerActedDocument, {
    onData({ viewerActed }) {
      if (viewerActed) events.put(viewerActed)
    },
    onGap: readAgain,
    onEnd: check, // it ends when the names of channels change
  })
  useEffect(() => settings.onChanged(check), [settings, check])
  useReturns(() => {
    readAgain()
    check()
  })
  useEffect(() => tabs.onWritten(readAgain), [tabs, readAgain])

  return live
}
