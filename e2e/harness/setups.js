import test from 'node:test';

import { app, startPusher } from './pusher.js';
import { startServer } from './server.js';

const setups = {
  'the embedded Pusher': startServer,
  'a second process as Pusher': async (t, env = {}) => {
    const pusher = await startPusher(t);
    return startServer(t, { ...app, PUSHER_HOST: pusher.address, PUSHER_SCHEME: 'http', ...env });
  },
};

/** scenario is a test with a time limit. */
export function scenario(name, body) {
  test(name, { timeout: 240_000 }, body);
}

/** inBothSetups runs body(t, start) with each Pusher. start(t, env) runs a server that uses it. */
export function inBothSetups(name, body) {
  for (const [pusher, start] of Object.entries(setups)) {
    scenario(`with ${pusher}: ${name}`, (t) => body(t, start));
  }
}
