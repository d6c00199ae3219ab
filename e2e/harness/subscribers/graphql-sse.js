import { createClient } from 'graphql-sse';

import { streamOf } from '../stream.js';
import { Watch } from '../wait.js';

/** GraphqlSse is graphql-sse in its mode of distinct connections, which is its default. */
export class GraphqlSse {
  static title = 'graphql-sse';
  static overPusher = false;
  static endOfSession = ['completed', ['UNAUTHENTICATED']];
  static deliversInitialValue = true;
  #connecting = 0;
  #answers = new Set(); // signals that end the open answers
  #watch = new Watch();

  constructor(person, { line, eager = true }) {
    this.client = createClient({
      url: `http://${line.host}:${line.port}/graphql`,
      headers: { Authorization: `Bearer ${person.token}` },
      ...(eager && { retry: async () => {} }), // by default it waits one to four seconds
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

  /** open returns the number of open answers. An answer that was ended by its signal may never end here. */
  get open() {
    return [...this.#answers].filter((signal) => !signal.aborted).length;
  }

  subscribe(query, variables) {
    return streamOf(this.client, query, variables);
  }

  /** lost resolves when it tries to connect again. */
  lost() {
    const before = this.#connecting;
    return this.#watch.until(() => this.#connecting > before, 'the cut is noticed');
  }

  close() {
    this.client.dispose();
  }
}
