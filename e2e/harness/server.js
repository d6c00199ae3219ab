import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import * as binaries from './binaries.js';
import { Program } from './program.js';
import { onEnd } from './teardown.js';

// Tests create people and requests faster than people do.
const roomForTests = {
  SIGN_INS_PER_ADDRESS: '100000',
  SIGN_INS_PER_ACCOUNT: '100000',
  SIGN_UPS_PER_ADDRESS: '100000',
  REQUESTS_PER_MINUTE: '100000',
};

/**
 * Server is Lorebridge in a folder of its own, which outlives the process. So it can be stopped and started again.
 */
export class Server {
  constructor(folder, env) {
    this.folder = folder;
    this.env = env;
    this.expected = []; // complaints that its test provokes
  }

  /** start runs the server with env besides its own variables, at the same address as before. */
  async start(env = {}) {
    this.program = new Program(binaries.lorebridge(), {
      cwd: this.folder,
      env: { ...roomForTests, LISTEN_ADDR: this.address ?? '127.0.0.1:0', ...this.env, ...env },
    });
    this.announced = await this.program.announced(/^Lorebridge is running at (https?:\/\/\S+)$/);
    this.url ??= this.announced;
    this.address ??= new URL(this.url).host;
  }

  stop() {
    return this.program.stop(this.expected);
  }

  kill() {
    return this.program.kill(this.expected);
  }
}

/** startServer runs Lorebridge until the test ends, and then checks that it ends well. */
export async function startServer(t, env = {}) {
  const folder = await emptyFolder(t);
  const server = new Server(folder, env);
  onEnd(t, async () => {
    if (server.program.ended) server.program.assertNoComplaints(server.expected);
    else await server.stop();
  });
  await server.start();
  return server;
}

/** emptyFolder creates a folder that exists until the test ends. */
export async function emptyFolder(t) {
  const folder = await mkdtemp(path.join(tmpdir(), 'lorebridge-e2e-'));
  onEnd(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}
