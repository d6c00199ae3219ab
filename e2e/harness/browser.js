import Pusher from 'pusher-js';

import { onEnd } from './teardown.js';
import './timers.js';
import { Watch } from './wait.js';

/** Browser is pusher-js as a page would use it. It listens on one channel, by default the person's own. */
export class Browser {
  events = []; // of the channel: { name, data, raw }, where raw is the data on the wire
  states = [];
  errors = []; // codes of the connection's errors, with close codes
  subscriptions = 0; // how often the channel was joined, also after reconnects
  rejection = null; // the data of pusher:subscription_error
  #watch = new Watch();

  constructor(server, realtime, { headers, channel = realtime.channel, customHandler, authEndpoint } = {}) {
    const { key, cluster, host, port, tls } = realtime;
    // As schema.graphqls documents it, except that in Node.js a path cannot be relative to a page.
    this.pusher = new Pusher(key, {
      cluster: cluster ?? '', wsHost: host, wsPort: port, wssPort: port, forceTLS: tls,
      channelAuthorization: {
        endpoint: server.url + (authEndpoint ?? realtime.authEndpoint), headers, customHandler,
      },
    });
    this.pusher.connection.bind('state_change', ({ current }) => {
      this.states.push(current);
      if (current === 'connected') this.#tap();
      this.#watch.changed();
    });
    this.pusher.connection.bind('error', ({ error, data }) => this.errors.push((data ?? error?.data)?.code));
    this.channel = this.pusher.subscribe(channel);
    this.channel.bind_global((name, data) => this.#note(name, data));
  }

  #note(name, data) {
    if (name === 'pusher:subscription_succeeded') this.subscriptions += 1;
    else if (name === 'pusher:subscription_error') this.rejection = data;
    else this.events.push({ name, data });
    // Everything that arrived in the same frame is complete after this turn.
    queueMicrotask(() => this.#watch.changed());
  }

  /** #tap listens below pusher-js, because pusher-js hands out data only after parsing it. */
  #tap() {
    this.pusher.connection.connection.transport.bind('message', ({ data }) => {
      const frame = JSON.parse(data);
      const event = this.events.at(-1);
      if (frame.channel === this.channel.name && frame.event === event?.name) event.raw ??= frame.data;
    });
  }

  get state() {
    return this.pusher.connection.state;
  }

  until(isTrue, what, ms) {
    const description = () => `${what}; it is ${this.state} after ${this.states}, ${this.subscriptions} times subscribed, `
      + `rejected: ${JSON.stringify(this.rejection)}, with ${this.events.length} events: … ${this.events.at(-1)?.raw}`;
    return this.#watch.until(() => isTrue(this), description, ms);
  }

  /** received returns the first n events when they are there. More may follow, which a fence shows. */
  async received(n) {
    await this.until(() => this.events.length >= n, `${n} events arrive on ${this.channel.name}`);
    return this.events.slice(0, n);
  }

  subscribed(times = 1) {
    return this.until(() => this.subscriptions >= times || this.rejection, `${this.channel.name} is joined`);
  }

  close() {
    this.pusher.disconnect();
  }
}

/** openBrowser connects a person's browser to their channel until the test ends. */
export async function openBrowser(t, person) {
  const browser = await tryBrowser(t, person);
  if (browser.rejection) throw new Error(`${browser.channel.name} is rejected: ${JSON.stringify(browser.rejection)}`);
  return browser;
}

/** tryBrowser connects a person's browser to any channel, and returns it when it has joined or was rejected. */
export async function tryBrowser(t, person, options = {}) {
  const realtime = await person.query('realtime');
  const browser = new Browser(person.server, realtime, { headers: person.headers, ...options });
  onEnd(t, () => browser.close());
  await browser.subscribed();
  return browser;
}
