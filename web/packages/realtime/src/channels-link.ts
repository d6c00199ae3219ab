import { ApolloLink, Observable } from '@apollo/client'
import { OperationTypeNode } from 'graphql'

import { canGunzip } from './gunzip.js'
import { PusherSubscription } from './pusher-subscription.js'
import type { Pusher } from './pusher.js'

export interface ChannelsLinkOptions {
  /**
   * The connection to listen with. It is asked for each subscription before that is sent, and once more if the
   * connection ends for good: another one is gone on with. Give that of `usePusher`, which asks again if an
   * authorization fails on its way, and connects anew if the server's settings have changed. A subscription waits for
   * the promise, and fails if it rejects.
   */
  pusher: () => Pusher | Promise<Pusher>
}

/**
 * ChannelsLink lets GraphQL subscriptions travel over Pusher Channels. It stands before an HttpLink; queries and
 * mutations pass through.
 *
 * - What the subscription begins with is told where there is something, and then each update, in order, once: repeats
 *   are dropped by `extensions.subscription.seq`. Compressed results are unpacked. What was too large for Pusher is
 *   fetched, with the `headers` and `credentials` of the operation's context, from the server that answered it.
 * - It completes where the server says that nothing more will follow, or somebody disconnects the Pusher and `pusher`
 *   gives no other one, as after a sign-out. It fails with what the HttpLink fails with, and with a RefusedError where
 *   the server does not let it join or ends the connection for good and `pusher` gives no other one. An answer that has
 *   no channel is all there is: it is told, errors included, and the subscription completes.
 * - A subscription that the server no longer knows, or that goes on with another connection, is subscribed anew. One
 *   result with the error `SUBSCRIPTION_GAP` follows: read the present state with a query then. The server sends it as
 *   well to whoever missed too much, and it stands for a result that came and could not be read.
 * - Unsubscribing aborts what is under way and leaves the channel, also where the server has not answered or the
 *   channel is not joined yet.
 *
 * Two equal subscriptions are independent for this link; Apollo Client makes one of them before they come here, and
 * gives what it begins with to the first only, unless `context: { queryDeduplication: false }` is given.
 */
export class ChannelsLink extends ApolloLink {
  readonly #pusher: ChannelsLinkOptions['pusher']

  constructor({ pusher }: ChannelsLinkOptions) {
    super()
    this.#pusher = pusher
  }

  override request(
    operation: ApolloLink.Operation,
    forward: ApolloLink.ForwardFunction,
  ): Observable<ApolloLink.Result> {
    if (operation.operationType !== OperationTypeNode.SUBSCRIPTION) return forward(operation)
    operation.setContext(({ headers }: { headers?: Record<string, string> }) => ({
      headers: {
        ...headers,
        'X-Subscription-Protocol': 'graphql-ruby',
        ...(canGunzip && { 'X-Subscription-Compress': 'gzip' }),
      },
    }))
    return new Observable((observer) => {
      const subscription = new PusherSubscription({ getPusher: this.#pusher, operation, forward, observer })
      void subscription.start()
      return () => subscription.stop()
    })
  }
}
