import { ApolloClient, ApolloLink, HttpLink } from '@apollo/client'
import { ErrorLink } from '@apollo/client/link/error'
import { RetryLink } from '@apollo/client/link/retry'
import type { ChannelsLink } from '@lorebridge/realtime/apollo'
import type { PusherSource } from '@lorebridge/realtime/core'
import { OperationTypeNode } from 'graphql'
import { from, switchMap } from 'rxjs'

import { newCache } from './cache'
import { MeDocument } from './gql/operations'
import type { Realtime } from './realtime/context'
import { codeOf } from './ui/errors'

/**
 * newClient makes the Apollo client. Subscriptions travel over Pusher; an ended session is noticed wherever it shows; and while the
 * server cannot be reached, subscriptions are sent again, and queries whose context says `retry`.
 */
export function newClient({ pusherSource, settings, tabs }: Realtime): ApolloClient {
  const cache = newCache()
  const sessions = new ErrorLink(({ error, operation }) => {
    if (codeOf(error) === 'UNAUTHENTICATED' && operation.operationName !== 'SignIn') {
      cache.writeQuery({ query: MeDocument, data: { viewer: null } })
    }
  })
  const retries = new RetryLink({
    delay: { initial: 500, max: 30_000, jitter: true },
    attempts: (_, { operationType, getContext }) =>
      operationType === OperationTypeNode.SUBSCRIPTION || getContext().retry === true,
  })
  // The link of Pusher stands before the one that tries again: what Pusher refuses is not tried again.
  return new ApolloClient({
    cache,
    link: ApolloLink.from([
      sessions, tabs.link, overPusher(pusherSource), retries, settings.link, new HttpLink({ uri: '/graphql' }),
    ]),
  })
}

/** overPusher is a ChannelsLink, loaded with the first subscription: who signs in first does not wait for Pusher. */
function overPusher(source: PusherSource): ApolloLink {
  let link: Promise<ChannelsLink> | undefined
  const load = async () => {
    const { ChannelsLink } = await import('@lorebridge/realtime/apollo')
    return new ChannelsLink({ pusher: source.get })
  }
  return new ApolloLink((operation, forward) => {
    if (operation.operationType !== OperationTypeNode.SUBSCRIPTION) return forward(operation)
    link ??= load().catch((error: unknown) => {
      link = undefined // the next subscription tries again
      throw error
    })
    return from(link).pipe(switchMap((pusher) => pusher.request(operation, forward)))
  })
}
