import { ApolloSubscriber } from './apollo.js';
import { LighthouseLink, LighthouseLinkV4 } from './lighthouse-link.js';

/** Lighthouse is the link of Lighthouse's documentation, with pusher-js configured as documented there. */
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

/** LighthouseV4 is the link of the documentation of Lighthouse 4. */
export class LighthouseV4 extends Lighthouse {
  static title = 'the link of Lighthouse 4 with Apollo';

  link() {
    return new LighthouseLinkV4({ pusher: this.pusher });
  }
}
