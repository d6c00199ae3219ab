import { graphql } from '../http.js';
import { Stream } from '../stream.js';
import { PusherSubscriber } from './pusher.js';

/** BarePusher is an application that uses pusher-js and nothing else. */
export class BarePusher extends PusherSubscriber {
  static title = 'pusher-js alone';
  static deliversInitialValue = true;

  constructor(person, options) {
    super(person, { authEndpoint: '/pusher/auth', ...options });
  }

  subscribe(document, variables) {
    const stream = new Stream();
    stream.registered = this.#subscribe(stream, document, variables);
    return stream;
  }

  async #subscribe(stream, document, variables) {
    const answer = await graphql(this.person.server, document, { variables, headers: this.headers });
    const body = answer.json();
    const channel = answer.headers['x-subscription-id'];
    if (body.errors || Object.keys(body.data).length > 0) stream.next(body);
    if (!channel) {
      stream.complete();
      return;
    }
    stream.unsubscribe = () => this.pusher.unsubscribe(channel);
    this.pusher.subscribe(channel).bind('update', ({ more, result }) => {
      if (result) stream.next(result);
      if (more) return;
      this.pusher.unsubscribe(channel);
      stream.complete();
    });
  }
}
