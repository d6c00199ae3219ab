import PusherLink from 'graphql-ruby-client/subscriptions/PusherLink';

import { ApolloSubscriber } from './apollo.js';

/** GraphqlRuby is the PusherLink of graphql-ruby-client, as its guide uses it. */
export class GraphqlRuby extends ApolloSubscriber {
  static title = 'graphql-ruby-client\'s PusherLink with Apollo';
  static deliversInitialValue = true;

  constructor(person, options) {
    super(person, { authEndpoint: '/pusher/auth', ...options });
  }

  link({ decompress }) {
    return new PusherLink({ pusher: this.pusher, decompress });
  }
}
