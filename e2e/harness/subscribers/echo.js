import Echo from 'laravel-echo';
import Pusher from 'pusher-js';

import { graphql } from '../http.js';
import { Stream } from '../stream.js';
import { PusherSubscriber } from './pusher.js';

/** LaravelEcho is an application that requests the channel itself and listens with Laravel Echo. */
export class LaravelEcho extends PusherSubscriber {
  static title = 'laravel-echo';
  static deliversInitialValue = true;
  static broadcaster = 'pusher';

  constructor(person, options) {
    super(person, { authEndpoint: '/graphql/subscriptions/auth', ...options });
  }

  connect(key, options, authEndpoint) {
    // Not its bearerToken, because that goes into headers which all Echos of a process share.
    const auth = { headers: this.person.headers };
    this.echo = new Echo({ broadcaster: this.constructor.broadcaster, Pusher, key, ...options, authEndpoint, auth });
    return this.echo.connector.pusher;
  }

  subscribe(document, variables) {
    const stream = new Stream();
    stream.registered = this.#subscribe(stream, document, variables);
    return stream;
  }

  async #subscribe(stream, document, variables) {
    const answer = (await graphql(this.person.server, document, { variables, headers: this.headers })).json();
    const channel = answer.extensions?.lighthouse_subscriptions?.channel;
    if (answer.errors || Object.keys(answer.data).length > 0) stream.next(answer);
    if (!channel) {
      stream.complete();
      return;
    }
    const leave = () => this.echo.leaveChannel(channel);
    this.#channel(channel).listen('.lighthouse-subscription', ({ more, result }) => {
      if (result) stream.next(result);
      if (more) return;
      leave();
      stream.complete();
    });
    stream.unsubscribe = leave;
  }

  #channel(name) {
    const encrypted = 'private-encrypted-';
    if (name.startsWith(encrypted)) return this.echo.encryptedPrivate(name.slice(encrypted.length));
    return this.echo.private(name.slice('private-'.length));
  }

  close() {
    this.echo.disconnect();
  }
}

/** LaravelReverb is the same with the broadcaster for Laravel Reverb. */
export class LaravelReverb extends LaravelEcho {
  static title = 'laravel-echo with its broadcaster reverb';
  static broadcaster = 'reverb';
}
