import Pusher from 'pusher-js';

import { Watch } from '../wait.js';
import '../timers.js';

/** PusherSubscriber is what the clients over Pusher have in common: pusher-js, connected through a line. */
export class PusherSubscriber {
  static overPusher = true;
  static toldOfSignOut = ['completed', []]; // how a stream ends whose session does, and the codes that come with it
  #watch = new Watch();

  constructor(person, { line, realtime, authEndpoint, headers }) {
    this.person = person;
    this.url = `${person.server.url}/graphql`;
    this.headers = { ...person.headers, ...headers };
    this.pusher = this.connect(realtime.key, {
      cluster: realtime.cluster ?? '', wsHost: line.host, wsPort: line.port, wssPort: line.port, forceTLS: realtime.tls,
    }, person.server.url + authEndpoint);
    this.pusher.connection.bind('state_change', () => this.#watch.changed());
  }

  connect(key, options, endpoint) {
    return new Pusher(key, { ...options, channelAuthorization: { endpoint, headers: this.person.headers } });
  }

  /** open is how much of it would keep the server busy. */
  get open() {
    return this.pusher.allChannels().length;
  }

  /** lost resolves once the client knows that its connection is gone. */
  lost() {
    return this.#watch.until(() => this.pusher.connection.state !== 'connected', 'the cut is noticed');
  }

  close() {
    this.pusher.disconnect();
  }
}
