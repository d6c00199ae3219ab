import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';

import { Stream } from '../stream.js';
import { PusherSubscriber } from './pusher.js';

/** ApolloSubscriber is Apollo Client with a link that knows Pusher; which one, its subclass says. */
export class ApolloSubscriber extends PusherSubscriber {
  #unanswered = []; // what to call with the answer to each POST, in their order

  constructor(person, options) {
    super(person, options);
    const http = new HttpLink({
      uri: this.url,
      headers: this.headers,
      fetch: async (...request) => {
        const answer = await fetch(...request);
        this.#unanswered.shift()?.(answer);
        return answer;
      },
    });
    this.client = new ApolloClient({ link: ApolloLink.from([this.link(options), http]), cache: new InMemoryCache() });
  }

  subscribe(document, variables) {
    const stream = new Stream();
    stream.registered = new Promise((resolve) => { this.#unanswered.push(resolve); });
    const subscription = this.client.subscribe({ query: gql(document), variables }).subscribe({
      next: ({ error, ...result }) => stream.next({ ...result, errors: error && (error.errors ?? [error]) }),
      error: (error) => stream.fail(error),
      complete: () => stream.complete(),
    });
    stream.unsubscribe = () => subscription.unsubscribe();
    return stream;
  }
}
