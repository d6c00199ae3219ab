import net from 'node:net';

import { onEnd } from './teardown.js';

/**
 * Line is a proxy between a client and a server that can be cut, like the network of a train in a tunnel. When it is
 * cut, existing connections break without notice, and new ones get no answer until it is restored.
 */
export class Line {
  #server;
  #open = new Set(); // sockets of both sides
  #waiting = new Set(); // sockets of clients that connect while it is cut
  #isCut = false;

  constructor(address) {
    const [host, port] = address.split(':');
    this.target = { host, port: Number(port) };
    this.#server = net.createServer((client) => this.#take(client));
  }

  async listen() {
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    this.host = '127.0.0.1';
    this.port = this.#server.address().port;
  }

  cut() {
    this.#isCut = true;
    for (const socket of this.#open) socket.destroy();
  }

  restore() {
    this.#isCut = false;
    for (const client of this.#waiting) this.#connect(client);
    this.#waiting.clear();
  }

  async close() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of [...this.#open, ...this.#waiting]) socket.destroy();
    await closed;
  }

  #take(client) {
    client.on('error', () => {}); // close follows
    if (!this.#isCut) {
      this.#connect(client);
      return;
    }
    this.#waiting.add(client);
    client.once('close', () => this.#waiting.delete(client));
  }

  #connect(client) {
    const server = net.connect(this.target);
    server.on('error', () => {});
    for (const [one, other] of [[client, server], [server, client]]) {
      this.#open.add(one);
      one.pipe(other);
      one.once('close', () => {
        this.#open.delete(one);
        other.destroy();
      });
    }
  }
}

/** openLine opens a line to an address until the test ends. */
export async function openLine(t, address) {
  const line = new Line(address);
  await line.listen();
  onEnd(t, () => line.close());
  return line;
}
