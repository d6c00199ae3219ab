import { ApolloSubscriber } from './apollo.js';
import { LighthouseLink } from './lighthouse-link.js';

/** Lighthouse is the link of Lighthouse's documentation, with pusher-js configured as written there. */
export class Lighthouse extends ApolloSubscriber {
  static title = 'Lighthouse\'s documented link with Apollo';
  static deliversInitialValue = false;

  constructor(person, options) {
    super(person, { authEndpoint: '/graphql/subscriptions/auth', ...options });
  }

  link() {
    return new LighthouseLink({ pusher: this.pusher });
  }
}
