import assert from 'node:assert/strict';

import { Browser } from './harness/browser.js';
import { graphql, send } from './harness/http.js';
import * as operations from './harness/operations.js';
import { apollo, signUpAll } from './harness/person.js';
import { startServer } from './harness/server.js';
import { inBothSetups, scenario } from './harness/setups.js';
import { onEnd } from './harness/teardown.js';

const signOut = 'mutation { signOut { signedOut } }';
const signIn = 'mutation ($input: SignInInput!) { signIn(input: $input) { token user { id } } }';

/** cookieOf signs a person in as a page does. It returns the answer with the cookie's text and attributes. */
async function cookieOf(server, { email, password }, headers) {
  const answer = await graphql(server, signIn, { variables: { input: { email, password } }, headers });
  assert.equal(answer.headers['set-cookie']?.length, 1, answer.text);
  const [cookie, ...attributes] = answer.headers['set-cookie'][0].split(/;\s*/);
  return { answer, cookie, attributes };
}

/** me returns the person whom the server recognizes by these headers. */
async function me(server, headers) {
  return (await graphql(server, '{ me { id } }', { headers })).json().data?.me;
}

inBothSetups('a session in a cookie', async (t, start) => {
  const server = await start(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const { answer, cookie, attributes } = await cookieOf(server, bob);
  const whoAmI = (headers) => me(server, { Cookie: cookie, ...headers });

  await t.test('signIn gives the cookie, HttpOnly and SameSite=Lax, and no token to the page', () => {
    assert.deepEqual(answer.json().data.signIn, { token: null, user: { id: bob.id } });
    assert.match(cookie, /^lorebridge_[0-9a-f]{16}=[\w-]{43}$/);
    assert.ok(attributes.includes('HttpOnly'));
    assert.ok(attributes.includes('SameSite=Lax'));
    assert.ok(attributes.includes('Path=/'));
    assert.ok(attributes.some((a) => /^Max-Age=(2591999|2592000)$/.test(a)), `${attributes}: 30 days`);
    assert.ok(!attributes.includes('Secure'), 'over http a Secure cookie would be lost');
    assert.ok(!answer.text.includes(cookie.split('=')[1]));
  });

  await t.test('signIn with TOKEN gives a token and no cookie', async () => {
    const { email, password } = bob;
    const tokens = await graphql(server, signIn, { variables: { input: { email, password, session: 'TOKEN' } } });
    assert.match(tokens.json().data.signIn.token, /^[\w-]{43}$/);
    assert.equal(tokens.headers['set-cookie'], undefined);
  });

  await t.test('the cookie works for Apollo at /graphql', async () => {
    const { data } = await apollo(server, { Cookie: cookie }).query({ query: operations.viewer });
    assert.equal(data.viewer.user.id, bob.id);
    assert.equal(data.viewer.email, bob.email);
  });

  await t.test('the cookie works at /pusher/auth, as a form and as JSON, for pusher-js', async () => {
    const bodies = {
      'application/x-www-form-urlencoded': (fields) => new URLSearchParams(fields).toString(),
      'application/json': JSON.stringify,
    };
    for (const [type, encode] of Object.entries(bodies)) {
      const browser = new Browser(server, await bob.query('realtime'), {
        // XMLHttpRequest in Node.js sends no cookies, but in a page it does.
        customHandler: ({ socketId, channelName }, done) => send(`${server.url}/pusher/auth`, {
          headers: { 'Content-Type': type, Cookie: cookie },
          body: encode({ socket_id: socketId, channel_name: channelName }),
        }).then((grant) => done(null, grant.json()), done),
      });
      onEnd(t, () => browser.close());
      await browser.subscribed();
      assert.equal(browser.rejection, null);
      await ada.ask(bob, `Is ${type} fine?`);
      assert.equal((await browser.received(1))[0].data.question, `Is ${type} fine?`);
    }
  });

  await t.test('a bearer token hides the cookie, also one that is nobody\'s', async () => {
    assert.deepEqual(await whoAmI(), { id: bob.id });
    assert.deepEqual(await whoAmI(ada.headers), { id: ada.id });
    assert.equal(await whoAmI({ Authorization: `Bearer ${'x'.repeat(43)}` }), null);
  });

  await t.test('pages of other origins are rejected with the cookie, whichever header names the origin', async () => {
    const neighbour = server.url.replace(/\d$/, (digit) => (Number(digit) + 1) % 10); // another port
    for (const headers of [
      { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
      { Origin: 'https://evil.example' },
      { Origin: 'null' },
      { Origin: neighbour },
    ]) {
      const sent = JSON.stringify(headers);
      const asked = await graphql(server, signOut, { headers: { ...headers, Cookie: cookie } });
      assert.equal(asked.status, 403, sent);
      assert.equal(asked.json().errors[0].extensions.code, 'FORBIDDEN');
      assert.equal(asked.headers['access-control-allow-origin'], undefined, sent);
      const auth = await send(`${server.url}/pusher/auth`, {
        headers: { ...headers, Cookie: cookie, 'Content-Type': 'application/x-www-form-urlencoded' },
        body: `socket_id=1.2&channel_name=${bob.channel}`,
      });
      assert.equal(auth.status, 403, sent);
      assert.equal(auth.json().auth, undefined, sent);
    }
    assert.deepEqual(await whoAmI(), { id: bob.id }, 'still signed in');
  });

  await t.test('the server\'s own pages are served', async () => {
    for (const headers of [
      { Origin: server.url, 'Sec-Fetch-Site': 'same-origin' },
      { Origin: server.url },
      { 'Sec-Fetch-Site': 'none' },
    ]) {
      assert.deepEqual(await whoAmI(headers), { id: bob.id }, JSON.stringify(headers));
    }
  });

  await t.test('signOut takes the cookie and ends its session', async () => {
    const out = await graphql(server, signOut, { headers: { Cookie: cookie } });
    assert.deepEqual(out.json().data.signOut, { signedOut: true });
    assert.match(out.headers['set-cookie'][0], /^lorebridge_[0-9a-f]{16}=;.*Max-Age=0/);
    assert.equal(await whoAmI(), null);
  });
});

scenario('pages of a configured origin may call the API, with cookies, and no others', async (t) => {
  const friend = 'https://app.example';
  const server = await startServer(t, { CORS_ORIGINS: `${friend},http://localhost:5173` });
  const [bob] = await signUpAll(server, 'Bob');
  const { cookie } = await cookieOf(server, bob, { Origin: friend, 'Sec-Fetch-Site': 'cross-site' });
  const preflight = (origin, path) => send(server.url + path, {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,content-type',
    },
  });

  for (const path of ['/graphql', '/pusher/auth']) {
    await t.test(`a preflight for ${path} allows the origin, its headers and credentials`, async () => {
      const { status, headers } = await preflight(friend, path);
      assert.equal(status, 204);
      assert.equal(headers['access-control-allow-origin'], friend);
      assert.equal(headers['access-control-allow-credentials'], 'true');
      assert.match(headers['access-control-allow-methods'], /POST/);
      assert.match(headers['access-control-allow-headers'], /authorization/i);
      assert.match(headers['access-control-allow-headers'], /content-type/i);
      assert.match(headers.vary, /Origin/);
    });

    await t.test(`a preflight for ${path} from anywhere else allows nothing`, async () => {
      for (const origin of ['https://evil.example', 'http://app.example', 'https://app.example.evil', 'null']) {
        assert.equal((await preflight(origin, path)).headers['access-control-allow-origin'], undefined, origin);
      }
    });
  }

  await t.test('the call that follows is answered, and readable for the page', async () => {
    const headers = { Origin: friend, 'Sec-Fetch-Site': 'cross-site', Cookie: cookie };
    const asked = await graphql(server, '{ me { id } }', { headers });
    assert.deepEqual(asked.json().data.me, { id: bob.id });
    assert.equal(asked.headers['access-control-allow-origin'], friend);
    assert.equal(asked.headers['access-control-allow-credentials'], 'true');
  });

  await t.test('a call from anywhere else is rejected', async () => {
    const headers = { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site', Cookie: cookie };
    const asked = await graphql(server, '{ me { id } }', { headers });
    assert.equal(asked.status, 403);
    assert.equal(asked.headers['access-control-allow-origin'], undefined);
  });
});

scenario('behind TLS the cookie is Secure and of this host alone, and browsers are sent to the public address', async (t) => {
  const server = await startServer(t);
  const [bob] = await signUpAll(server, 'Bob');
  await server.stop();
  await server.start({ PUBLIC_URL: 'https://lore.example' });
  assert.equal(server.announced, 'https://lore.example');
  const { cookie, attributes } = await cookieOf(server, bob, { Origin: 'https://lore.example' });
  assert.match(cookie, /^__Host-lorebridge_[0-9a-f]{16}=[\w-]{43}$/);
  assert.ok(attributes.includes('Secure') && attributes.includes('Path=/'), `${attributes}`);
  assert.ok(!attributes.some((each) => each.startsWith('Domain')), `${attributes}`);
  const { cluster, host, port, tls } = await bob.query('realtime');
  assert.deepEqual({ cluster, host, port, tls }, { cluster: null, host: 'lore.example', port: 443, tls: true });
});
