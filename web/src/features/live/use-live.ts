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
 * useLive keeps the cache of a signed-in person in step with the server for as long as it is mounted, and says how the connection is.
 * Nothing is polled: what others do comes as events, what the viewer does elsewhere by a subscription, and what was missed is read
 * after each join, whenever the page comes back to the eye, and when another tab has written. How to connect is read again whenever it
 * may have changed.
 */
export function useLive(viewerId: string): UsePusherResult {
  const client = useApolloClient()
  const { pusherSource, tabs, settings } = useRealtime()
  const [refresher] = useState(() => new Refresher(client))
  const events = useEvents(viewerId, refresher)

  /** read rejects where the session has ended, too: by then the client has made the page the one to sign in. */
  async function read() {
    // Not joined to a question that is on its way: its answer may be older than what made us ask.
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
    onEnd: check, // it ends when channels get other names
  })
  useEffect(() => settings.onChanged(check), [settings, check])
  useReturns(() => {
    readAgain()
    check()
  })
  useEffect(() => tabs.onWritten(readAgain), [tabs, readAgain])

  return live
}
