import PusherLink from 'graphql-ruby-client/subscriptions/PusherLink';
import { PusherLink as PusherLink15, apollo as apollo3 } from 'lorebridge-e2e-apollo-3';

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

/** GraphqlRuby15 is PusherLink 1.15 with Apollo Client 3. */
export class GraphqlRuby15 extends GraphqlRuby {
  static title = 'graphql-ruby-client 1.15\'s PusherLink with Apollo 3';
  static apollo = apollo3;

  link({ decompress }) {
    return new PusherLink15({ pusher: this.pusher, decompress });
  }
}
