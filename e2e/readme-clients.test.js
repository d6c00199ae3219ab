import assert from 'node:assert/strict';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { signUpAll } from './harness/person.js';
import { Program } from './harness/program.js';
import { emptyFolder, startServer } from './harness/server.js';
import { scenario } from './harness/setups.js';
import { eventually } from './harness/wait.js';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** blocks returns the code of the README's section on subscriptions: connect.mjs and one for each client. */
async function blocks() {
  const readme = await readFile(here('../README.md'), 'utf8');
  const section = readme.slice(readme.indexOf('\n## Subscriptions\n'), readme.indexOf('\n## The API\n'));
  return [...section.matchAll(/```js\n([^]*?)```/g)].map(([, code]) => code);
}

// The link in Lighthouse's documentation, which applications copy.
const lighthouse = `export { LighthouseLink as PusherLink } from '${pathToFileURL(here('harness/subscribers/lighthouse-link.js'))}';`;

scenario('the README\'s ten lines for each client print what is published', async (t) => {
  const [connect, ...clients] = await blocks();
  assert.equal(clients.length, 5);
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const cwd = await emptyFolder(t);
  await symlink(here('node_modules'), path.join(cwd, 'node_modules'));
  await writeFile(path.join(cwd, 'connect.mjs'), connect);
  await writeFile(path.join(cwd, 'pusher-link.mjs'), lighthouse);

  const programs = await Promise.all(clients.map(async (code, i) => {
    assert.ok(code.split('\n').filter((line) => line.trim()).length <= 10, `ten lines:\n${code}`);
    await writeFile(path.join(cwd, `client${i}.mjs`), code);
    return new Program(process.execPath, { args: [`client${i}.mjs`], cwd, env: { LOREBRIDGE_URL: server.url, TOKEN: bob.token } });
  }));
  // No client reports when it listens, so items are published until each has received one.
  let titles = 0;
  await eventually(async () => {
    await ada.createKnowledge(`Roots ${titles += 1}`, 'deep');
    return programs.every(({ lines }) => lines.length > 0);
  }, () => programs.map(({ stderr }, i) => `client ${i} prints\n${stderr}`).join('\n'));
  for (const program of programs) {
    for (const line of program.lines) assert.match(line, /^Roots \d+$/);
    await program.kill();
  }
});
