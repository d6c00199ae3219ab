import { Watch } from './wait.js';

/**
 * Stream is one subscription as the application sees it, whichever client it is made with: what came, and how it ended.
 * The client's adapter feeds it.
 */
export class Stream {
  results = []; // { data, codes, seq }, codes being those of the errors, seq the server's number of the event
  ending = null; // 'completed', or the error that ended it
  unsubscribe = () => { throw new Error('this client cannot unsubscribe yet'); };
  #watch = new Watch();

  /**
   * registered, which a client over Pusher sets, resolves once the server has answered that it knows the subscription:
   * whatever happens from then on arrives. Over a connection of its own nothing says so.
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

  /** codes are those of all errors that reached the application, with a result or as the end. */
  get codes() {
    const last = [this.ending].flat().map((error) => error?.extensions?.code);
    return [...this.results.flatMap(({ codes }) => codes), ...last].filter(Boolean);
  }

  /** until waits until something is true of the stream. Once the stream has ended there is nothing to wait for. */
  async until(isTrue, what) {
    const told = () => `${what}; ending: ${this.ending}, ${this.results.length} results: … `
      + `${JSON.stringify(this.results.slice(-3))}`;
    await this.#watch.until(() => isTrue(this) || this.ending !== null, told);
    if (!isTrue(this)) throw new Error(`it ended before ${told()}`);
  }

  /** received returns the first n results once they are there. More may follow: a fence tells. */
  async received(n) {
    await this.until(() => this.results.length >= n, `${n} results arrive`);
    return this.results.slice(0, n);
  }

  ended() {
    return this.until(() => this.ending !== null, 'it ends');
  }
}

/** streamOf subscribes with a client of the interface that graphql-ws and graphql-sse share, and returns the stream. */
export function streamOf(client, query, variables) {
  const stream = new Stream();
  stream.unsubscribe = client.subscribe({ query, variables }, {
    next: (result) => stream.next(result),
    error: (error) => stream.fail(error),
    complete: () => stream.complete(),
  });
  return stream;
}

/** plain leaves out the __typename that Apollo asks for by itself. */
function plain(data) {
  return data && JSON.parse(JSON.stringify(data, (key, value) => (key === '__typename' ? undefined : value)));
}
