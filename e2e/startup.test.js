import assert from 'node:assert/strict';
import { copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

import * as binaries from './harness/binaries.js';
import { openBrowser } from './harness/browser.js';
import { graphql, send } from './harness/http.js';
import { apollo, Person, signUpAll } from './harness/person.js';
import * as operations from './harness/operations.js';
import { Program } from './harness/program.js';
import { app } from './harness/pusher.js';
import { emptyFolder, startServer } from './harness/server.js';
import { scenario } from './harness/setups.js';
import { within } from './harness/wait.js';

/** runToEnd runs a server that is expected to end by itself. */
async function runToEnd(cwd, env = {}, args = []) {
  const program = new Program(binaries.lorebridge(), { cwd, env: { LISTEN_ADDR: '127.0.0.1:0', ...env }, args });
  try {
    const { code } = await within(program.exited, () => `it ends; it printed: ${program.lines}`, 10_000);
    return { code, stdout: program.lines.join('\n'), stderr: program.stderr };
  } finally {
    if (!program.ended) await program.kill();
  }
}

const masterKey = Buffer.alloc(32).toString('base64');
const { PUSHER_APP_ID, PUSHER_KEY, PUSHER_SECRET } = app;

// Wrong settings, each with the texts that the message must also contain.
const wrong = [
  [{ LISTEN_ADDR: 'nonsense' }, 'LISTEN_ADDR'],
  [{ LISTEN_ADDR: '127.0.0.1:99999' }, 'LISTEN_ADDR'],
  [{ LOG_LEVEL: 'LOUD' }, 'LOG_LEVEL', 'DEBUG'],
  [{ DATABASE_URL: 'mysql://localhost' }, 'DATABASE_URL', 'sqlite:'],
  [{ DATABASE_URL: 'postgres://localhost/lore' }, 'DATABASE_URL', 'not supported yet'],
  [{ DATABASE_URL: 'sqlite:' }, 'DATABASE_URL'],
  [{ DATABASE_URL: 'sqlite::memory:' }, 'DATABASE_URL'],
  [{ PUBLIC_URL: 'lore.example' }, 'PUBLIC_URL'],
  [{ PUBLIC_URL: 'https://lore.example/path' }, 'PUBLIC_URL'],
  [{ TRUSTED_PROXIES: '10.0.0.0/8,nonsense' }, 'TRUSTED_PROXIES', 'nonsense'],
  [{ CORS_ORIGINS: '*' }, 'CORS_ORIGINS'],
  [{ CORS_ORIGINS: 'https://good.example,bad' }, 'CORS_ORIGINS', 'bad'],
  [{ CORS_ORIGINS: 'null' }, 'CORS_ORIGINS', 'sandboxed'],
  [{ SIGN_INS_PER_ADDRESS: '0' }, 'SIGN_INS_PER_ADDRESS', 'at least 1'],
  [{ SIGN_INS_PER_ACCOUNT: 'many' }, 'SIGN_INS_PER_ACCOUNT', 'number'],
  [{ SIGN_UPS_PER_ADDRESS: '-1' }, 'SIGN_UPS_PER_ADDRESS', 'at least 1'],
  [{ REQUESTS_PER_MINUTE: '1.5' }, 'REQUESTS_PER_MINUTE', 'number'],
  [{ MAX_SOCKETS: '-1' }, 'MAX_SOCKETS'],
  [{ ACTIVITY_TIMEOUT: '30' }, 'ACTIVITY_TIMEOUT', 'a duration'],
  [{ ACTIVITY_TIMEOUT: '999ms' }, 'ACTIVITY_TIMEOUT', 'from 1s'],
  [{ ACTIVITY_TIMEOUT: '61m' }, 'ACTIVITY_TIMEOUT', 'to 1h'],
  [{ PUSHER_CHANNEL_NAMESPACE: 'a.b' }, 'PUSHER_CHANNEL_NAMESPACE', 'letters'],
  [{ PLAYGROUND: 'yes' }, 'PLAYGROUND', 'on or off'],
  [{ PUSHER_KEY }, 'PUSHER_APP_ID', 'PUSHER_SECRET'],
  [{ PUSHER_APP_ID, PUSHER_KEY }, 'PUSHER_SECRET'],
  [{ PUSHER_CLUSTER: 'eu' }, 'PUSHER_APP_ID', 'PUSHER_KEY', 'PUSHER_SECRET'],
  [{ PUSHER_HOST: 'localhost:6001', PUSHER_APP_ID, PUSHER_SECRET }, 'PUSHER_KEY'],
  [{ ...app, PUSHER_APP_ID: 'a/b' }, 'PUSHER_APP_ID'],
  [{ ...app, PUSHER_CLUSTER: 'eu', PUSHER_HOST: 'localhost:6001' }, 'PUSHER_CLUSTER', 'PUSHER_HOST'],
  [{ ...app, PUSHER_CLUSTER: 'eu.example/' }, 'PUSHER_CLUSTER'],
  [{ ...app, PUSHER_HOST: 'http://localhost:6001' }, 'PUSHER_HOST', 'host:port'],
  [{ ...app, PUSHER_HOST: 'localhost:6001', PUSHER_SCHEME: 'ws' }, 'PUSHER_SCHEME', 'http or https'],
  [{ ...app, PUSHER_PUBLIC_HOST: 'localhost' }, 'PUSHER_PUBLIC_HOST', 'PUSHER_HOST'],
  [{ ...app, PUSHER_PUBLIC_SCHEME: 'https' }, 'PUSHER_PUBLIC_SCHEME', 'PUSHER_HOST'],
  [{ ...app, PUSHER_HOST: 'localhost:6001', PUSHER_PUBLIC_SCHEME: 'wss' }, 'PUSHER_PUBLIC_SCHEME', 'http or https'],
  [{ ...app, PUSHER_HOST: 'localhost:6001', PUSHER_PUBLIC_HOST: 'a b' }, 'PUSHER_PUBLIC_HOST'],
  [{ PUSHER_ENCRYPTION_MASTER_KEY: 'short' }, 'PUSHER_ENCRYPTION_MASTER_KEY', '32 bytes'],
  [{ PUSHER_ENCRYPTION_MASTER_KEY: masterKey.slice(4) }, 'PUSHER_ENCRYPTION_MASTER_KEY', '32 bytes'],
];

scenario('a configuration that is wrong is rejected at the start, and the message names the variable', async (t) => {
  const folder = await emptyFolder(t);
  for (const [env, ...names] of wrong) {
    const given = Object.entries(env).map(([k, v]) => `${k}=${v}`).join(' ');
    await t.test(given, async () => {
      const { code, stdout, stderr } = await runToEnd(folder, env);
      assert.equal(code, 1, stderr);
      for (const name of names) assert.ok(stderr.includes(name), `no ${name} in: ${stderr}`);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
      assert.equal(stdout, '');
      assert.ok(!stderr.includes(PUSHER_SECRET), 'it shows a secret');
    });
  }
});

scenario('an argument is rejected, and the message names -h', async (t) => {
  const { code, stderr } = await runToEnd(await emptyFolder(t), {}, ['serve']);
  assert.equal(code, 1);
  assert.match(stderr, /serve.*-h/);
});

scenario('-h lists every variable and -demo, and ends with 0', async (t) => {
  const { code, stdout } = await runToEnd(await emptyFolder(t), {}, ['-h']);
  assert.equal(code, 0);
  const variables = `LISTEN_ADDR DATABASE_URL LOG_LEVEL PUBLIC_URL TRUSTED_PROXIES CORS_ORIGINS
    SIGN_INS_PER_ADDRESS SIGN_INS_PER_ACCOUNT SIGN_UPS_PER_ADDRESS REQUESTS_PER_MINUTE MAX_SOCKETS
    PUSHER_APP_ID PUSHER_KEY PUSHER_SECRET PUSHER_CLUSTER PUSHER_HOST PUSHER_SCHEME PUSHER_PUBLIC_HOST
    PUSHER_ENCRYPTION_MASTER_KEY PLAYGROUND`.split(/\s+/);
  const listed = [...stdout.matchAll(/^\s+([A-Z][A-Z_]+)\s+\S/gm)].map((m) => m[1]);
  assert.deepEqual(variables.filter((variable) => !listed.includes(variable)), []);
  for (const usual of ['127.0.0.1:8080', 'sqlite:lorebridge.db', 'https', '-demo']) assert.ok(stdout.includes(usual), usual);
});

scenario('variables come from the process, then .env.local, then .env', async (t) => {
  const folder = await emptyFolder(t);
  await writeFile(path.join(folder, '.env'), 'LOG_LEVEL=from-env\nPUSHER_SCHEME=from-env\nUNKNOWN=fine\n');
  assert.match((await runToEnd(folder)).stderr, /LOG_LEVEL is "from-env"/);
  await writeFile(path.join(folder, '.env.local'), 'LOG_LEVEL=from-env-local\n');
  assert.match((await runToEnd(folder)).stderr, /LOG_LEVEL is "from-env-local"/);
  assert.match((await runToEnd(folder, { LOG_LEVEL: 'from-process' })).stderr, /LOG_LEVEL is "from-process"/);
  assert.match((await runToEnd(folder, { LOG_LEVEL: 'INFO' })).stderr, /PUSHER_SCHEME is "from-env"/);
});

scenario('an address that is taken is named in the error', async (t) => {
  const server = await startServer(t);
  const { code, stderr } = await runToEnd(await emptyFolder(t), { LISTEN_ADDR: server.address });
  assert.equal(code, 1);
  assert.match(stderr, /LISTEN_ADDR/);
});

scenario('a database that a newer version has migrated is rejected and left unchanged', async (t) => {
  const server = await startServer(t);
  await signUpAll(server, 'Ada');
  await server.stop();
  const file = path.join(server.folder, 'lorebridge.db');
  // Migrations are named by their time. In the file, the applied ones get a time in the year 2926.
  const text = (await readFile(file)).toString('latin1');
  const future = text.replaceAll(/20(\d{12}_\w)/g, '29$1');
  assert.notEqual(future, text);
  await writeFile(file, future, 'latin1');

  const { code, stderr } = await runToEnd(server.folder);
  assert.equal(code, 1);
  assert.match(stderr, /newer/);
  assert.ok(stderr.includes('lorebridge.db'), stderr);

  await writeFile(file, text, 'latin1');
  await server.start();
});

scenario('the embedded Pusher keeps its app: browsers that were connected stay valid over a kill -9', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const bobs = await openBrowser(t, bob);
  const { key } = await bob.query('realtime');

  await server.kill();
  await server.start();
  assert.equal((await bob.query('realtime')).key, key);
  await bobs.subscribed(2);
  await ada.ask(bob, 'The same app?');
  assert.equal((await bobs.received(1))[0].data.question, 'The same app?');
});

scenario('one file is the whole backup: sessions and the embedded Pusher\'s app are in it', async (t) => {
  const [server, elsewhere] = [await startServer(t), await startServer(t)];
  const [bob] = await signUpAll(server, 'Bob');
  const { key } = await bob.query('realtime');
  const file = path.join(server.folder, 'lorebridge.db');
  assert.equal((await stat(file)).mode & 0o777, 0o600, 'it holds password hashes and the secret');
  await Promise.all([server.stop(), elsewhere.stop()]);
  assert.deepEqual((await readdir(server.folder)).sort(), ['lorebridge.db', 'lorebridge.db.lock']);

  await copyFile(file, path.join(elsewhere.folder, 'lorebridge.db'));
  await elsewhere.start();
  const headers = { Authorization: `Bearer ${bob.token}` };
  const answer = await graphql(elsewhere, '{ viewer { email } realtime { key } }', { headers });
  assert.deepEqual(answer.json().data, { viewer: { email: bob.email }, realtime: { key } });
});

scenario('it serves a moment after its start, and reports that it is healthy', async (t) => {
  const started = performance.now();
  const server = await startServer(t);
  const took = performance.now() - started;
  t.diagnostic(`serving after ${Math.round(took)} ms`);
  assert.ok(took < 5_000); // a second on an idle machine without the race detector
  for (const path of ['/healthz', '/readyz']) {
    const answer = await fetch(server.url + path);
    assert.equal(answer.status, 200);
    const { ok, problems } = await answer.json();
    assert.deepEqual({ ok, problems }, { ok: true, problems: [] });
  }
  assert.equal(server.program.lines.length, 1, 'one line with the URL');
});

const html = { Accept: 'text/html' };
const introspection = '{ __schema { queryType { name } } }';

// Settings, and whether there is a playground with them.
const playgrounds = [
  [{}, true],
  [{ PUBLIC_URL: '', TRUSTED_PROXIES: '' }, true],
  [{ PLAYGROUND: 'off' }, false],
  [{ PUBLIC_URL: 'https://lore.example' }, false],
  [{ PUBLIC_URL: 'http://127.0.0.1:8080' }, false],
  [{ TRUSTED_PROXIES: '127.0.0.1' }, false],
  [{ PUBLIC_URL: 'https://lore.example', TRUSTED_PROXIES: '127.0.0.1', PLAYGROUND: 'on' }, true],
  [{ LISTEN_ADDR: '0.0.0.0:0' }, false],
  [{ LISTEN_ADDR: '0.0.0.0:0', PLAYGROUND: 'on' }, true],
];
for (const [env, on] of playgrounds) {
  scenario(`with ${JSON.stringify(env)} the playground and introspection are ${on ? 'on' : 'off'}`, async (t) => {
    const server = await startServer(t, env.LISTEN_ADDR ? env : {});
    if (!env.LISTEN_ADDR) { // a fixed address is needed, because PUBLIC_URL hides the chosen one
      await server.stop();
      await server.start(env);
    }
    const page = await send(`${server.url}/playground`, { method: 'GET', headers: html });
    const { data, errors } = (await graphql(server, introspection)).json();
    const opened = await send(`${server.url}/graphql`, { method: 'GET', headers: html });
    if (on) {
      assert.equal(page.status, 200, page.text);
      assert.match(page.headers['content-type'], /^text\/html/);
      assert.equal(data.__schema.queryType.name, 'Query');
      assert.deepEqual([opened.status, opened.headers.location], [302, '/playground']);
    } else {
      assert.equal(page.status, 404);
      assert.match(page.text, /PLAYGROUND=on/);
      assert.deepEqual(errors.map((e) => e.extensions.code), ['GRAPHQL_VALIDATION_FAILED']);
      assert.equal(opened.status, 406);
    }
  });
}

scenario('the app is at / and at its routes, and nowhere else', async (t) => {
  const server = await startServer(t);
  const get = (at, headers) => send(server.url + at, { method: 'GET', headers });
  const index = await get('/', {});
  assert.equal(index.status, 200);
  assert.match(index.headers['content-type'], /^text\/html/);
  assert.equal((await get('/', { 'If-None-Match': index.headers.etag })).status, 304);
  assert.equal((await get('/library/1', html)).text, index.text);
  for (const at of ['/assets/gone.js', '/graphql/x', '/pusher/x', '/playground/x']) {
    const { status, headers } = await get(at, html);
    assert.deepEqual([at, status, headers['content-type']], [at, 404, 'text/plain; charset=utf-8']);
  }
  assert.equal((await get('/app/key', html)).status, 426, 'Pusher is there');
});

// Settings, each with the origins besides their own that pages may connect to.
const pushers = [
  [{}, ''],
  [{ PUBLIC_URL: 'https://lore.example' }, ' wss://lore.example:443'],
  [{ ...app, PUSHER_CLUSTER: 'eu' }, ' wss://ws-eu.pusher.com https://sockjs-eu.pusher.com'],
  [{ ...app, PUSHER_HOST: 'pusher.internal:6001', PUSHER_PUBLIC_HOST: 'ws.example' }, ' wss://ws.example:443'],
];
scenario('pages may connect to the configured Pusher, and to no other', async (t) => {
  const server = await startServer(t);
  for (const [env, origins] of pushers) {
    await server.stop();
    await server.start(env);
    const { headers } = await send(server.url, { method: 'GET' });
    const [, connect] = /connect-src ([^;]*)/.exec(headers['content-security-policy']);
    assert.equal(connect, `'self'${origins}`);
  }
});

scenario('-demo fills an empty database, and everybody it prints can sign in', async (t) => {
  const cwd = await emptyFolder(t);
  const env = { LISTEN_ADDR: '127.0.0.1:0', SIGN_UPS_PER_ADDRESS: '1' };
  const program = new Program(binaries.lorebridge(), { cwd, env, args: ['-demo'] });
  const server = { url: await program.announced(/^Lorebridge is running at (\S+)$/) };
  await program.printed(7);
  const accounts = program.lines.slice(4).map((line) => /^ +(\w+ \w+) +(\S+@example.com) +(\S+)$/.exec(line).slice(1));
  assert.equal(accounts.length, 3, program.lines);
  const people = await Promise.all(accounts.map(async ([name, email, password]) => {
    const variables = { input: { email, password, session: 'TOKEN' } };
    const { data } = await apollo(server).mutate({ mutation: operations.signIn, variables });
    assert.equal(data.signIn.user.name, name);
    return new Person(server, { name, email, password }, data.signIn);
  }));
  for (const person of people) assert.notEqual((await person.notifications({ unreadOnly: true })).length, 0, person.name);
  const [ada, bob] = people;
  const [pending] = (await ada.requests('RECEIVED')).filter(({ status }) => status === 'PENDING');
  await ada.answer(pending.id, 'APPROVED', 'With pleasure.');
  assert.equal((await bob.requests('SENT')).find(({ id }) => id === pending.id).status, 'APPROVED');
  await program.stop();

  const file = path.join(cwd, 'lorebridge.db');
  const before = await readFile(file);
  const { code, stdout, stderr } = await runToEnd(cwd, {}, ['-demo']);
  assert.equal(code, 1, stderr);
  assert.equal(stdout, '');
  for (const text of ['lorebridge.db', 'not empty', 'without -demo', 'DATABASE_URL']) assert.ok(stderr.includes(text), stderr);
  assert.ok(before.equals(await readFile(file)), 'it has written to the database');
});

// Settings, each with the text that the message must contain.
const reachable = [
  [{ LISTEN_ADDR: '0.0.0.0:0' }, /LISTEN_ADDR is "0\.0\.0\.0:0".*-demo.*loopback/],
  [{ PUBLIC_URL: 'https://lore.example' }, /PUBLIC_URL "https:\/\/lore\.example".*-demo.*without/],
  [{ TRUSTED_PROXIES: '10.0.0.0/8' }, /TRUSTED_PROXIES \["10\.0\.0\.0\/8"\].*-demo.*without/],
];
scenario('-demo is rejected if strangers could sign in, before there is a database', async (t) => {
  const folder = await emptyFolder(t);
  for (const [env, text] of reachable) {
    const { code, stderr } = await runToEnd(folder, { LISTEN_ADDR: '127.0.0.1:0', ...env }, ['-demo']);
    assert.equal(code, 1);
    assert.match(stderr, text);
    assert.deepEqual(await readdir(folder), []);
  }
});
