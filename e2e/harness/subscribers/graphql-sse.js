import { createClient } from 'graphql-sse';

import { streamOf } from '../stream.js';
import { Watch } from '../wait.js';

/** GraphqlSse is graphql-sse in its mode of distinct connections, which is its default. */
export class GraphqlSse {
  static title = 'graphql-sse';
  static overPusher = false;
  static toldOfSignOut = ['completed', ['UNAUTHENTICATED']];
  static deliversInitialValue = true;
  #connecting = 0;
  #answers = new Set(); // signals that end the answers which are still coming in
  #watch = new Watch();

  constructor(person, { line, eager = true }) {
    this.client = createClient({
      url: `http://${line.host}:${line.port}/graphql`,
      headers: { Authorization: `Bearer ${person.token}` },
      ...(eager && { retry: async () => {} }), // its own wait is one to four seconds
      on: {
        connecting: () => {
          this.#connecting += 1;
          this.#watch.changed();
        },
      },
      fetchFn: async (url, init) => {
        const { ok, status, statusText, body } = await fetch(url, init);
        return { ok, status, statusText, body: body && this.#noted(body, init.signal) };
      },
    });
  }

  async* #noted(body, signal) {
    this.#answers.add(signal);
    try {
      yield* body;
    } finally {
      this.#answers.delete(signal);
    }
  }

  /** open is how many answers still come in. One that was ended by its signal may stay without an end here. */
  get open() {
    return [...this.#answers].filter((signal) => !signal.aborted).length;
  }

  subscribe(query, variables) {
    return streamOf(this.client, query, variables);
  }

  /** lost resolves once it tries anew. */
  lost() {
    const before = this.#connecting;
    return this.#watch.until(() => this.#connecting > before, 'the cut is noticed');
  }

  close() {
    this.client.dispose();
  }
}
