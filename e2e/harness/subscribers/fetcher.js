import createPusherFetcher from 'graphql-ruby-client/subscriptions/createPusherFetcher';

import { Stream } from '../stream.js';
import { PusherSubscriber } from './pusher.js';

/** Fetcher is graphql-ruby-client's fetcher for GraphiQL. It reports the end by the result `undefined`. */
export class Fetcher extends PusherSubscriber {
  static title = 'graphql-ruby-client\'s fetcher for GraphiQL';
  static deliversInitialValue = true;

  constructor(person, options) {
    super(person, { authEndpoint: '/pusher/auth', ...options });
  }

  subscribe(query, variables) {
    const stream = new Stream();
    const create = createPusherFetcher.default ?? createPusherFetcher;
    stream.registered = new Promise((resolve) => {
      const fetcher = create({
        pusher: this.pusher,
        fetch: async (_, init) => {
          const answer = await fetch(this.url, { ...init, headers: { ...init.headers, ...this.headers } });
          resolve(answer);
          return answer;
        },
      });
      const results = fetcher({ query, variables });
      stream.unsubscribe = () => results.return();
      this.#read(stream, results);
    });
    return stream;
  }

  async #read(stream, results) {
    for await (const result of results) {
      if (result) stream.next(result);
      else stream.complete(); // applications must take undefined for the end
    }
    stream.complete();
  }
}
