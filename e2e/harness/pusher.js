import * as binaries from './binaries.js';
import { Program } from './program.js';
import { emptyFolder } from './server.js';
import { onEnd } from './teardown.js';

export const app = { PUSHER_APP_ID: 'e2e', PUSHER_KEY: 'e2e-key', PUSHER_SECRET: 'e2e-secret' };

/** startPusher runs a process that is only a Pusher until the test ends, and returns it with its address. */
export async function startPusher(t, address = '127.0.0.1:0') {
  const program = new Program(binaries.pusherserver(), {
    cwd: await emptyFolder(t), env: { ...app, LISTEN_ADDR: address },
  });
  onEnd(t, () => program.ended || program.stop());
  program.address = await program.announced(/ at http:\/\/(\S+)$/);
  return program;
}
