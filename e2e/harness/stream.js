import { Watch } from './wait.js';

/**
 * Stream is one subscription from the application's point of view, with any client: its results, and how it ended.
 * The adapter of the client feeds it.
 */
export class Stream {
  results = []; // { data, codes, seq }: the codes of the errors, and the server's number of the event
  ending = null; // 'completed', or the error that ended it
  unsubscribe = () => { throw new Error('this client cannot unsubscribe yet'); };
  #watch = new Watch();

  /**
   * registered is set by clients over Pusher. It resolves when the server has answered that it knows the
   * subscription. Everything after that arrives. Over a connection of its own there is no such answer.
   */
  registered = null;

  next({ data, errors, extensions }) {
    const codes = (errors ?? []).map((error) => error.extensions?.code);
    this.results.push({ data: plain(data), codes, seq: extensions?.subscription?.seq });
    this.#watch.changed();
  }

  fail(error) {
    this.ending ??= error;
    this.#watch.changed();
  }

  complete() {
    this.ending ??= 'completed';
    this.#watch.changed();
  }

  /** codes returns those of all errors that reached the application, with a result or as the end. */
  get codes() {
    const last = [this.ending].flat().map((error) => error?.extensions?.code);
    return [...this.results.flatMap(({ codes }) => codes), ...last].filter(Boolean);
  }

  /** until waits until isTrue returns true for the stream, or the stream has ended. */
  async until(isTrue, what) {
    const description = () => `${what}; ending: ${this.ending}, ${this.results.length} results: … `
      + `${JSON.stringify(this.results.slice(-3))}`;
    await this.#watch.until(() => isTrue(this) || this.ending !== null, description);
    if (!isTrue(this)) throw new Error(`it ended before ${description()}`);
  }

  /** received returns the first n results when they are there. More may follow, which a fence shows. */
  async received(n) {
    await this.until(() => this.results.length >= n, `${n} results arrive`);
    return this.results.slice(0, n);
  }

  ended() {
    return this.until(() => this.ending !== null, 'it ends');
  }
}

/**
 * streamOf subscribes with a client of the interface that graphql-ws and graphql-sse share, and returns the stream.
 */
export function streamOf(client, query, variables) {
  const stream = new Stream();
  stream.unsubscribe = client.subscribe({ query, variables }, {
    next: (result) => stream.next(result),
    error: (error) => stream.fail(error),
    complete: () => stream.complete(),
  });
  return stream;
}

/** plain removes the __typename that Apollo adds. */
function plain(data) {
  return data && JSON.parse(JSON.stringify(data, (key, value) => (key === '__typename' ? undefined : value)));
}
