import { setTimeout as pause } from 'node:timers/promises';

import WebSocket from 'ws';

import { Watch } from '../harness/wait.js';

const again = 20; // milliseconds before the next attempt to connect or to join

/**
 * Listener is a minimal client of Pusher: one socket of a person, which joins its channels and reconnects when it is
 * cut off. It hands each event to its channel with the time of its arrival, by performance.now().
 */
export class Listener {
  #channels = new Map(); // by name: { take, joins, joined }
  #watch = new Watch();
  #closed = false;
  #socketId = null;
  intervals = []; // { from, to }: when the person's own channel was joined
  rejections = []; // answers instead of a signature, and close codes of the socket

  constructor(person, { key, host, port, authEndpoint }) {
    this.person = person;
    this.url = `ws://${host}:${port}/app/${key}?protocol=7&client=e2e&version=1`;
    this.authEndpoint = person.server.url + authEndpoint;
    this.#connect();
  }

  /**
   * join listens to a channel from now on. take(event, data, at) gets each event, with data as text. joins gets the
   * times when the channel is joined, including the first one.
   */
  async join(name, take, joins = []) {
    this.#channels.set(name, { take, joins, joined: false });
    if (this.#socketId) this.#authorize(name, this.#socketId);
    await this.joined(name);
  }

  leave(name) {
    this.#channels.delete(name);
    if (this.#socketId) this.#send('pusher:unsubscribe', { channel: name });
  }

  /** joined waits until a channel is joined, or all of them without a name. */
  joined(name) {
    const wanted = () => (name ? [this.#channels.get(name)] : [...this.#channels.values()]);
    return this.#watch.until(() => wanted().every((channel) => !channel || channel.joined),
      () => `${this.person.name} joins ${name ?? 'all channels'}; rejected: ${JSON.stringify(this.rejections)}`);
  }

  close() {
    this.#closed = true;
    this.socket.terminate();
  }

  #connect() {
    if (this.#closed) return;
    this.socket = new WebSocket(this.url);
    this.socket.on('message', (frame) => this.#take(JSON.parse(frame), performance.now()));
    this.socket.on('error', () => {}); // close follows
    this.socket.once('close', (code) => this.#left(code));
  }

  #left(code) {
    if (code >= 4000) this.rejections.push(code);
    this.#socketId = null;
    for (const channel of this.#channels.values()) channel.joined = false;
    const interval = this.intervals.at(-1);
    if (interval) interval.to = Math.min(interval.to, performance.now());
    setTimeout(() => this.#connect(), again);
  }

  #take({ event, channel: name, data }, at) {
    const channel = this.#channels.get(name);
    if (event === 'pusher:connection_established') {
      this.#socketId = JSON.parse(data).socket_id;
      for (const each of this.#channels.keys()) this.#authorize(each, this.#socketId);
    } else if (event === 'pusher:ping') {
      this.#send('pusher:pong', {});
    } else if (event === 'pusher_internal:subscription_succeeded' && channel) {
      channel.joined = true;
      channel.joins.push(at);
      if (name === this.person.channel) this.intervals.push({ from: at, to: Infinity });
      this.#watch.changed();
    } else if (event === 'pusher:error') {
      this.rejections.push(data);
    } else if (channel) {
      channel.take(event, data, at);
    }
  }

  /** #authorize joins a channel on this socket, and retries while the server is away. */
  async #authorize(name, socketId) {
    while (this.#socketId === socketId && this.#channels.has(name)) {
      const response = await fetch(this.authEndpoint, {
        method: 'POST', headers: this.person.headers,
        body: new URLSearchParams({ socket_id: socketId, channel_name: name }),
      }).catch(() => null); // the server is away
      if (response?.ok) {
        const { auth } = await response.json().catch(() => ({}));
        if (auth && this.#socketId === socketId) this.#send('pusher:subscribe', { channel: name, auth });
        if (auth) return;
      } else if (response && response.status < 500) {
        this.rejections.push(`${name}: ${response.status} ${await response.text().catch(() => '')}`);
      }
      await pause(again);
    }
  }

  #send(event, data) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ event, data }));
  }
}
