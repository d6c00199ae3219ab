import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import SubscriptionExchange from 'graphql-ruby-client/subscriptions/SubscriptionExchange';

import { Stream } from '../stream.js';
import { PusherSubscriber } from './pusher.js';

/**
 * Urql is urql with the exchange of graphql-ruby-client. The exchange needs an operation with its key and context,
 * but urql 6 gives it neither.
 */
export class Urql extends PusherSubscriber {
  static title = 'urql with graphql-ruby-client\'s exchange';
  static deliversInitialValue = true;

  constructor(person, options) {
    super(person, { authEndpoint: '/pusher/auth', ...options });
    const { create } = SubscriptionExchange.default ?? SubscriptionExchange;
    const answered = async (...request) => {
      const answer = await fetch(...request);
      this.#registered?.(answer);
      return answer;
    };
    const context = { url: this.url, fetch: answered, fetchOptions: { headers: this.headers } };
    this.client = new Client({
      url: this.url,
      exchanges: [fetchExchange, subscriptionExchange({
        forwardSubscription: (operation) => create({ pusher: this.pusher })({ ...operation, key: 1, context }),
      })],
    });
  }

  #registered;

  subscribe(document, variables = {}) {
    const stream = new Stream();
    stream.registered = new Promise((resolve) => { this.#registered = resolve; });
    const { unsubscribe } = this.client.subscription(document, variables).subscribe(({ data, error, extensions, hasNext }) => {
      const errors = error && (error.networkError ? [error.networkError] : error.graphQLErrors);
      if (data || error) stream.next({ data, errors, extensions });
      if (hasNext === false) stream.complete();
    });
    stream.unsubscribe = unsubscribe;
    return stream;
  }
}
