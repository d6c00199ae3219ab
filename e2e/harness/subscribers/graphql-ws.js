import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { streamOf } from '../stream.js';
import { Watch } from '../wait.js';

/** GraphqlWs is graphql-ws with a socket of its own, which it opens at its first use. */
export class GraphqlWs {
  static title = 'graphql-ws';
  static overPusher = false;
  static endOfSession = [4401, []];
  static deliversInitialValue = true;
  open = 0; // sockets
  #lost = false;
  #watch = new Watch();

  constructor(person, { line, eager = true }) {
    const changed = (sockets) => {
      this.open += sockets;
      this.#lost ||= sockets < 0;
      this.#watch.changed();
    };
    this.client = createClient({
      url: `ws://${line.host}:${line.port}/graphql`,
      connectionParams: { Authorization: `Bearer ${person.token}` },
      webSocketImpl: WebSocket, // Node.js 20 has none
      ...(eager && { retryWait: async () => {} }), // by default it waits one to four seconds
      on: { opened: () => changed(1), closed: () => changed(-1) },
    });
  }

  subscribe(query, variables) {
    return streamOf(this.client, query, variables);
  }

  lost() {
    return this.#watch.until(() => this.#lost, 'the cut is noticed');
  }

  close() {
    // Not awaited, because dispose does not return while a connection is being made.
    this.client.dispose().catch(() => {});
  }
}
