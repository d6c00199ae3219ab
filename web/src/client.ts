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
 * newClient returns the Apollo client. Subscriptions travel over Pusher. The end of a session is noticed in every
 * response. While the server cannot be reached, subscriptions are retried, and also queries whose context has
 * `retry`.
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
  // The link for Pusher comes before the retrying one, so what Pusher rejects is not retried.
  return new ApolloClient({
    cache,
    link: ApolloLink.from([
      sessions, tabs.link, overPusher(pusherSource), retries, settings.link, new HttpLink({ uri: '/graphql' }),
    ]),
  })
}

/**
 * overPusher returns a ChannelsLink that is loaded with the first subscription, so that signing in does not wait for
 * Pusher.
 */
function overPusher(source: PusherSource): ApolloLink {
  let link: Promise<ChannelsLink> | undefined
  const load = async () => {
    const { ChannelsLink } = await import('@lorebridge/realtime/apollo')
    return new ChannelsLink({ pusher: source.get })
  }
  return new ApolloLink((operation, forward) => {
    if (operation.operationType !== OperationTypeNode.SUBSCRIPTION) return forward(operation)
    link ??= load().catch((error: unknown) => {
      link = undefined // the next subscription loads it again
      throw error
    })
    return from(link).pipe(switchMap((pusher) => pusher.request(operation, forward)))
  })
}
