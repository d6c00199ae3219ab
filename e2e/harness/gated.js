import { startGate } from './gate.js';
import { app, startPusher } from './pusher.js';
import { startServer } from './server.js';

/** startGated runs a server that reaches its Pusher through a gate, while browsers reach it directly. */
export async function startGated(t) {
  const pusher = await startPusher(t);
  const gate = await startGate(t, pusher.address);
  const server = await startServer(t, {
    ...app, PUSHER_HOST: gate.address, PUSHER_SCHEME: 'http', PUSHER_PUBLIC_HOST: pusher.address,
  });
  return { server, gate };
}
