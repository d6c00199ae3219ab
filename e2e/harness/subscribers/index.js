import { openLine } from '../line.js';
import { onEnd } from '../teardown.js';
import { LaravelEcho } from './echo.js';
import { GraphqlRuby } from './graphql-ruby.js';
import { GraphqlSse } from './graphql-sse.js';
import { GraphqlWs } from './graphql-ws.js';
import { Lighthouse } from './lighthouse.js';

/** subscribers are the published clients, those over Pusher first. Each has the interface of PusherSubscriber. */
export const subscribers = [GraphqlRuby, Lighthouse, LaravelEcho, GraphqlWs, GraphqlSse];

/** openSubscriber makes a client of a person's, with a line of its own as `line`, until the test ends. */
export async function openSubscriber(t, Client, person, options = {}) {
  const realtime = await person.query('realtime');
  const address = Client.overPusher ? `${realtime.host}:${realtime.port}` : person.server.address;
  const line = await openLine(t, address);
  const client = new Client(person, { line, realtime, ...options });
  client.line = line;
  onEnd(t, () => client.close());
  return client;
}
