import * as apollo4 from '@apollo/client';

import { Stream } from '../stream.js';
import { PusherSubscriber } from './pusher.js';

/**
 * ApolloSubscriber is Apollo Client with a link for Pusher. The subclass chooses the link and the version of Apollo.
 */
export class ApolloSubscriber extends PusherSubscriber {
  static apollo = apollo4;
  static subscribeOptions = {};
  static resultOf = (given) => given; // returns the result in what the application is given
  #unanswered = []; // callbacks for the answers to POSTs, in order

  constructor(person, options) {
    super(person, options);
    const { ApolloClient, ApolloLink, HttpLink, InMemoryCache } = this.constructor.apollo;
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
    const { apollo, subscribeOptions, resultOf } = this.constructor;
    const stream = new Stream();
    stream.registered = new Promise((resolve) => { this.#unanswered.push(resolve); });
    const subscription = this.client.subscribe({ query: apollo.gql(document), variables, ...subscribeOptions }).subscribe({
      next: ({ error, ...result }) => stream.next({ ...resultOf(result), ...(error && { errors: error.errors ?? [error] }) }),
      error: (error) => stream.fail(error.graphQLErrors ?? error), // Apollo 4 has no graphQLErrors
      complete: () => stream.complete(),
    });
    stream.unsubscribe = () => subscription.unsubscribe();
    return stream;
  }
}
