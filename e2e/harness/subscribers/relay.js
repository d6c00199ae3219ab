import createHandler from 'graphql-ruby-client/subscriptions/createRelaySubscriptionHandler';

import { Stream } from '../stream.js';
import { PusherSubscriber } from './pusher.js';

/** Relay is Relay's network with the subscription handler of graphql-ruby-client. */
export class Relay extends PusherSubscriber {
  static title = 'Relay with graphql-ruby-client\'s handler';
  static deliversInitialValue = false;

  constructor(person, options) {
    super(person, { authEndpoint: '/pusher/auth', ...options });
  }

  subscribe(document, variables) {
    const stream = new Stream();
    const handler = createHandler.default ?? createHandler;
    stream.registered = new Promise((resolve) => {
      const observable = handler({
        pusher: this.pusher,
        fetchOperation: async ({ text }) => {
          const answer = await fetch(this.url, {
            method: 'POST',
            headers: { ...this.headers, 'Content-Type': 'application/json' },
            body: JSON.stringify({ query: text, variables }),
          });
          resolve(answer);
          return answer;
        },
      })({ text: document, name: 'Operation' }, variables ?? {});
      const subscription = observable.subscribe({
        next: (result) => stream.next(result),
        error: (error) => stream.fail(error),
        complete: () => stream.complete(),
      });
      stream.unsubscribe = () => subscription.unsubscribe();
    });
    return stream;
  }
}
