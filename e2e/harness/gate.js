import http from 'node:http';

import { onEnd } from './teardown.js';
import { Watch } from './wait.js';

/**
 * Gate is a proxy between the server and its Pusher's HTTP API. Its mode decides about each call: pass, refuse (no
 * connection), fail (500), hang (no answer), mute (passed on, and no answer), hold (publications for subscriptions
 * are kept, and passed on when the mode changes). Browsers do not use it.
 */
export class Gate {
  #watch = new Watch();
  #pusher;
  #server;
  #held = []; // functions that release the held calls

  constructor(pusherAddress) {
    this.#pusher = pusherAddress;
    this.mode = 'pass';
    this.calls = { pass: 0, fail: 0, hang: 0, mute: 0, hold: 0 };
    this.#server = http.createServer((request, response) => this.#take(request, response));
  }

  async listen(port = 0) {
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject).listen(port, '127.0.0.1', () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.port = this.#server.address().port;
    this.address = `127.0.0.1:${this.port}`;
  }

  async set(mode) {
    const open = this.#server.listening;
    this.mode = mode;
    for (const letGo of this.#held.splice(0)) letGo();
    if (mode === 'refuse' && open) await this.close();
    if (mode !== 'refuse' && !open) await this.listen(this.port);
  }

  async close() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** called resolves when a call has come in this mode. */
  called(mode) {
    return this.#watch.until(() => this.calls[mode] > 0, `the server calls Pusher in mode ${mode}`);
  }

  #take(request, response) {
    let { mode } = this;
    const mute = mode === 'mute';
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk)).on('end', async () => {
      const body = Buffer.concat(chunks);
      if (mode === 'hold' && !body.includes('private-gql-')) mode = 'pass';
      if (mode === 'hold') this.#held.push(() => this.#pass(request, response, body, false));
      if (mode === 'fail') response.writeHead(500).end('out of order');
      if (mode === 'pass' || mute) await this.#pass(request, response, body, mute);
      this.calls[mode] += 1;
      this.#watch.changed();
    });
  }

  #pass(request, response, body, mute) {
    const { method, url, headers } = request;
    const [host, port] = this.#pusher.split(':');
    return new Promise((resolve) => {
      const onwards = http.request({ host, port, method, path: url, headers }, (answer) => {
        if (mute) answer.resume();
        else answer.pipe(response.writeHead(answer.statusCode, answer.headers));
        answer.once('end', resolve);
      });
      onwards.once('error', () => {
        response.destroy();
        resolve();
      });
      onwards.end(body);
    });
  }
}

/** startGate starts a gate for the Pusher at an address until the test ends. */
export async function startGate(t, pusherAddress) {
  const gate = new Gate(pusherAddress);
  await gate.listen();
  onEnd(t, () => gate.set('refuse'));
  return gate;
}
