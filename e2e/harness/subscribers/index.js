import { openLine } from '../line.js';
import { onEnd } from '../teardown.js';
import { BarePusher } from './bare.js';
import { LaravelEcho, LaravelReverb } from './echo.js';
import { Fetcher } from './fetcher.js';
import { GraphqlRuby, GraphqlRuby15 } from './graphql-ruby.js';
import { GraphqlSse } from './graphql-sse.js';
import { GraphqlWs } from './graphql-ws.js';
import { Lighthouse, LighthouseV4 } from './lighthouse.js';
import { Relay } from './relay.js';
import { Thekonz, Thekonz1 } from './thekonz.js';
import { Urql } from './urql.js';

/** subscribers are the published clients, those over Pusher first. Each has the interface of PusherSubscriber. */
export const subscribers = [GraphqlRuby, Lighthouse, LaravelEcho, GraphqlWs, GraphqlSse];

/**
 * published are all clients over Pusher, also those that cannot do everything in the matrix. See the table of
 * docs/protocol.md.
 */
export const published = [
  GraphqlRuby, GraphqlRuby15, Lighthouse, LighthouseV4, Relay, Urql, Fetcher, LaravelEcho, LaravelReverb, Thekonz, Thekonz1, BarePusher,
];

/** openSubscriber creates a client for a person until the test ends. It has a line of its own as `line`. */
export async function openSubscriber(t, Client, person, options = {}) {
  const realtime = await person.query('realtime');
  const address = Client.overPusher ? `${realtime.host}:${realtime.port}` : person.server.address;
  const line = await openLine(t, address);
  const client = new Client(person, { line, realtime, ...options });
  client.line = line;
  onEnd(t, () => client.close());
  return client;
}
