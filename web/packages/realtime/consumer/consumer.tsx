// What another application may write, and what its compiler must refuse.
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache, type TypedDocumentNode } from '@apollo/client'
import { type LiveProblem, type LiveState, RefusedError, usePusher } from '@lorebridge/realtime'
import { ChannelsLink } from '@lorebridge/realtime/apollo'
import { useLasting } from '@lorebridge/realtime/apollo-react'
import { Live, PusherSource } from '@lorebridge/realtime/core'
import Encrypted from 'pusher-js/with-encryption'

import { server } from './server.js'

interface Liked {
  eventId: string
  by: string
}

const isLiked = (data: unknown): data is Liked => typeof data === 'object' && data !== null && 'by' in data
const options = { ...server, events: { liked: isLiked } }

export function Page({ token }: { token: string }) {
  const { state, problem, pusher, check } = usePusher<{ liked: Liked }>({
    ...options,
    Pusher: Encrypted,
    person: '1',
    headers: { Authorization: `Bearer ${token}` },
    on: { liked: ({ by }) => by.toUpperCase() },
    onRefused: ({ status, code }: RefusedError) => void [status?.toFixed(), code?.toFixed()],
  })
  const states: [LiveState, LiveProblem | null, string | undefined] = [state, problem, pusher?.connection.socket_id]
  const { error, restart } = useLasting(titles, { onData: ({ title }) => title.trim(), onGap: check })
  return <button onClick={restart}>{error?.message ?? states.join()}</button>
}

const titles = gql`subscription { title }` as TypedDocumentNode<{ title: string }, Record<string, never>>

const source = new PusherSource()
export const link: ApolloLink = new ChannelsLink({ pusher: source.get })
export const client = new ApolloClient({ link: link.concat(new HttpLink()), cache: new InMemoryCache() })

// The names and types of the events come from what counts as one.
const on = { liked: ({ by }: Liked) => by.trim() }
const live = new Live({ ...options, on, onChange: ({ pusher }) => source.set(pusher) })
live.check()

// @ts-expect-error: nobody says what to do with the event
new Live({ ...options, on: {} })
// @ts-expect-error: there is no such event
new Live<{ liked: Liked }>({ ...options, on: { liked: () => {}, disliked: () => {} } })
// @ts-expect-error: the event has no such field
new Live({ ...options, on: { liked: ({ unheardOf }) => {} } })
// @ts-expect-error: a repeat could not be known
usePusher<{ liked: { by: string } }>(null)
// @ts-expect-error: it is no connection
new ChannelsLink({ pusher: () => 'pusher' })
