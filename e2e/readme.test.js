import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { emptyFolder, startServer } from './harness/server.js';
import { onEnd } from './harness/teardown.js';
import { Watch } from './harness/wait.js';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** tour returns the code of the README's tour by its language, in order. */
async function tour() {
  const readme = await readFile(here('../README.md'), 'utf8');
  const section = readme.slice(readme.indexOf('\n## The same from a terminal\n'), readme.indexOf('\n## In your own application\n'));
  const blocks = [...section.matchAll(/```(\w*)\n([^]*?)```/g)].map(([, language, code]) => ({ language, code }));
  return (language) => blocks.filter((block) => block.language === language).map((block) => block.code);
}

/** Shell is a bash that gets one block of commands after the other, as a person would type them. */
class Shell {
  output = '';
  #watch = new Watch();

  constructor(t, cwd, env) {
    const { PATH, HOME } = process.env;
    this.child = spawn('bash', { cwd, env: { PATH, HOME, ...env }, detached: true });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.output += text;
        this.#watch.changed();
      });
    }
    const closed = new Promise((resolve) => this.child.once('close', resolve));
    onEnd(t, () => {
      if (this.child.exitCode === null) process.kill(-this.child.pid, 'SIGKILL'); // with its jobs
      return closed;
    });
  }

  type(commands) {
    this.child.stdin.write(commands);
  }

  printed(pattern, times = 1) {
    return this.#watch.until(() => this.output.match(new RegExp(pattern, 'g'))?.length >= times, () => `${pattern}\n${this.output}`);
  }
}

/** shows turns the output in the README into a pattern: … matches anything. */
function shows(text) {
  return text.trim().split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*');
}

test('the README\'s tour, word for word, shows both events', { timeout: 60_000 }, async (t) => {
  const code = await tour();
  const [signUp, listen, ask, answer] = code('sh');
  const [request, response] = code('');
  const server = await startServer(t);
  const cwd = await emptyFolder(t);
  await writeFile(path.join(cwd, 'listen.mjs'), code('js')[0]);

  // The tour installs the same versions as these tests.
  const { devDependencies } = JSON.parse(await readFile(here('package.json'), 'utf8'));
  const install = `npm install --silent pusher-js@${devDependencies['pusher-js']}\n`;
  assert.ok(listen.startsWith(install), listen);
  await symlink(here('node_modules'), path.join(cwd, 'node_modules'));

  const shell = new Shell(t, cwd, { LOREBRIDGE_URL: server.url });
  shell.type(signUp.replace('http://127.0.0.1:8080', server.url) + listen.slice(install.length));
  await shell.printed('pusher:subscription_succeeded', 2);
  shell.type(ask);
  await shell.printed(shows(request));
  shell.type(answer);
  await shell.printed(shows(response));
});
