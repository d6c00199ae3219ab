import assert from 'node:assert/strict';
import { copyFile, readFile, symlink } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { graphql } from './harness/http.js';
import { Program } from './harness/program.js';
import { emptyFolder, startServer } from './harness/server.js';
import { inBothSetups, scenario } from './harness/setups.js';
import { onEnd } from './harness/teardown.js';
import { within } from './harness/wait.js';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const signUp = 'mutation ($input: SignUpInput!) { signUp(input: $input) { token user { id } } }';
const ask = `mutation ($input: CreateKnowledgeRequestInput!) {
  createKnowledgeRequest(input: $input) { knowledgeRequest { id } }
}`;
const answer = `mutation ($input: RespondToRequestInput!) {
  respondToRequest(input: $input) { knowledgeRequest { status } }
}`;

/** call does the same as the tour with curl. */
async function call(server, token, mutation, input) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const { data, errors } = (await graphql(server, mutation, { variables: { input }, headers })).json();
  assert.equal(errors, undefined);
  return Object.values(data)[0];
}

/** listen runs the listener in a folder with only pusher-js, as in the tour. */
async function listen(t, env) {
  const cwd = await emptyFolder(t);
  await copyFile(here('tour/listen.mjs'), path.join(cwd, 'listen.mjs'));
  await symlink(here('node_modules'), path.join(cwd, 'node_modules'));
  const listener = new Program(process.execPath, { args: ['listen.mjs'], cwd, env });
  onEnd(t, () => listener.ended || listener.kill());
  return listener;
}

inBothSetups('the tour\'s listener shows both events', async (t, start) => {
  const server = await start(t);
  const account = { password: 'correct horse', session: 'TOKEN' };
  const ada = await call(server, null, signUp, { ...account, name: 'Ada', email: 'ada@example.com' });
  const bob = await call(server, null, signUp, { ...account, name: 'Bob', email: 'bob@example.com' });
  const listeners = [];
  for (const { token } of [ada, bob]) {
    const listener = await listen(t, { LOREBRIDGE_URL: server.url, TOKEN: token });
    await listener.printed(1);
    assert.deepEqual(listener.lines, ['pusher:subscription_succeeded {}']);
    listeners.push(listener);
  }
  const [adas, bobs] = listeners;

  const question = 'Where is the key?';
  const { knowledgeRequest: { id } } = await call(server, ada.token, ask, { ownerId: bob.user.id, question });
  await bobs.printed(2);
  assert.match(bobs.lines[1], /^knowledge-request \{.*"question":"Where is the key\?","requesterName":"Ada"/);

  await call(server, bob.token, answer, { requestId: id, status: 'APPROVED', responseContent: 'Under the mat.' });
  await adas.printed(2);
  assert.match(adas.lines[1], /^knowledge-response \{.*"responseContent":"Under the mat\."/);
  assert.deepEqual([adas.stderr, bobs.stderr], ['', '']);
});

scenario('the tour\'s listener prints an error when nobody is signed in', async (t) => {
  const server = await startServer(t);
  const listener = await listen(t, { LOREBRIDGE_URL: server.url });
  assert.equal((await within(listener.exited, 'it ends')).code, 1);
  assert.match(listener.stderr, /sign in/);
});

scenario('the README prints the listener word for word', async (t) => {
  const readme = await readFile(here('../README.md'), 'utf8').catch(() => null);
  if (readme === null) return t.skip('there is no README yet');
  return assert.ok(readme.includes(await readFile(here('tour/listen.mjs'), 'utf8')));
});
