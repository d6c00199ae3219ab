import Echo from 'laravel-echo';
import * as two from 'lorebridge-e2e-apollo-2';
import * as three from 'lorebridge-e2e-apollo-3';
import Pusher from 'pusher-js';

import { ApolloSubscriber } from './apollo.js';

/**
 * Thekonz is @thekonz/apollo-lighthouse-subscription-link 2.0.0-rc.1 with Apollo Client 3 and Laravel Echo, without a
 * header.
 */
export class Thekonz extends ApolloSubscriber {
  static title = 'thekonz\'s link 2.0.0-rc.1 with Apollo 3';
  static apollo = three.apollo;
  static createLink = three.createLighthouseSubscriptionLink;
  static deliversInitialValue = false;

  constructor(person, options) {
    super(person, { authEndpoint: '/graphql/subscriptions/auth', ...options });
  }

  connect(key, options, authEndpoint) {
    this.echo = new Echo({ broadcaster: 'pusher', Pusher, key, ...options, authEndpoint, auth: { headers: this.person.headers } });
    return this.echo.connector.pusher;
  }

  link() {
    return this.constructor.createLink(this.echo);
  }

  close() {
    this.echo.disconnect();
  }
}

/** Thekonz1 is its version 1.3.0 with Apollo Client 2. Its result is the `data` of the result. */
export class Thekonz1 extends Thekonz {
  static title = 'thekonz\'s link 1.3.0 with Apollo 2';
  static apollo = two;
  static createLink = two.createLighthouseSubscriptionLink;
  static subscribeOptions = { fetchPolicy: 'no-cache' };
  static resultOf = (data) => ({ data });
}
