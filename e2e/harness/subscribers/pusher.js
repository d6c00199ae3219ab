import Pusher from 'pusher-js';

import { Watch } from '../wait.js';
import '../timers.js';

/** PusherSubscriber is the common part of the clients over Pusher: pusher-js, connected through a line. */
export class PusherSubscriber {
  static overPusher = true;
  static endOfSession = ['completed', []]; // how a stream ends with its session, and the codes of its errors
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

  /** open returns how many of its subscriptions the server has to serve. */
  get open() {
    return this.pusher.allChannels().length;
  }

  /** lost resolves when the client knows that its connection is gone. */
  lost() {
    return this.#watch.until(() => this.pusher.connection.state !== 'connected', 'the cut is noticed');
  }

  close() {
    this.pusher.disconnect();
  }
}
