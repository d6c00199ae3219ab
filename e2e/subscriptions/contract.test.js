import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';

import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';

import { openBrowser } from '../harness/browser.js';
import { graphql, send } from '../harness/http.js';
import { signUpAll } from '../harness/person.js';
import { app } from '../harness/pusher.js';
import { startServer } from '../harness/server.js';
import { inBothSetups, scenario } from '../harness/setups.js';
import { Administrator, administrators, families, listen, resultsOf, subscribe } from '../harness/subscription.js';

// The HTTP part of subscriptions over Pusher. The points are those of docs/conformance.md.

const channelName = /^private-gql-[a-z2-7]{26}$/;
const received = 'subscription Received { knowledgeRequestReceived { id question } }';
const changed = 'subscription Changed($id: ID!) { knowledgeRequestChanged(id: $id) { id status } }';

const withoutValue = {
  knowledgeRequestReceived: received,
  knowledgeRequestAnswered: 'subscription Answered { knowledgeRequestAnswered { id status } }',
  notificationReceived: 'subscription Notified { notificationReceived { id kind } }',
  knowledgePublished: 'subscription Published { knowledgePublished { id title } }',
};

/** carriesNothing checks that an answer does not look like that of a subscription. */
function carriesNothing({ headers, text }) {
  assert.equal(headers['x-subscription-id'], undefined, text);
  assert.equal(JSON.parse(text).extensions?.lighthouse_subscriptions, undefined, text);
}

scenario('a subscription that is sent by POST', async (t) => {
  const origin = 'https://app.example';
  const server = await startServer(t, { ...administrators, CORS_ORIGINS: origin });
  const [ada, bob, eve] = await signUpAll(server, 'Ada', 'Bob', 'Eve');
  const root = await Administrator.signUp(server);
  const { knowledgeRequest: { id } } = await ada.ask(bob, 'Where is the key?');

  await t.test('point 1: a success has the header and the extension, each with a channel of its own', async () => {
    const channels = new Set();
    for (const [field, query] of Object.entries({ ...withoutValue, knowledgeRequestChanged: changed })) {
      const { status, headers, extensions, channel } = await subscribe(ada, query, { variables: { id } });
      assert.equal(status, 200);
      assert.match(headers['content-type'], /^application\/json/);
      assert.match(channel, channelName);
      const operation = /subscription (\w+)/.exec(query)[1];
      assert.deepEqual(extensions, {
        lighthouse_subscriptions: { version: 2, channel, channels: { [field]: channel, [operation]: channel } },
      });
      channels.add(channel);
    }
    assert.equal(channels.size, 5);
  });

  await t.test('point 1: a page of another origin may read the header, and send its own', async () => {
    const cors = { Origin: origin, 'Sec-Fetch-Site': 'cross-site' };
    const { headers, channel } = await subscribe(ada, received, { headers: cors });
    assert.match(channel, channelName);
    assert.match(headers['access-control-expose-headers'], /\bX-Subscription-ID\b/i);
    const wanted = ['authorization', 'content-type', 'x-socket-id', 'x-subscription-compress', 'x-subscription-id',
      'x-subscription-protocol'];
    for (const path of ['/graphql', ...Object.values(families).map(({ authEndpoint }) => authEndpoint)]) {
      const preflight = await send(server.url + path, {
        method: 'OPTIONS',
        headers: { ...cors, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': wanted.join() },
      });
      assert.equal(preflight.headers['access-control-allow-origin'], origin, path);
      const allowed = preflight.headers['access-control-allow-headers'].toLowerCase().split(/,\s*/);
      assert.deepEqual(wanted.filter((name) => !allowed.includes(name)), [], path);
    }
  });

  const nobody = { server, headers: {} };
  const dead = { server, headers: { Authorization: `Bearer ${'A'.repeat(43)}` } };
  const twoFields = 'subscription { knowledgePublished { id } notificationReceived { id } }';
  const failures = {
    'of a request that is not there': [ada, changed, 'NOT_FOUND', { id: String(Number(id) + 1_000_000) }],
    'of a request between others': [eve, changed, 'NOT_FOUND', { id }],
    'of nobody who is signed in': [nobody, received, 'UNAUTHENTICATED'],
    'of a session that never was': [dead, received, 'UNAUTHENTICATED'],
    'of a field that is not there': [ada, 'subscription { nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    'of two fields': [ada, twoFields, 'GRAPHQL_VALIDATION_FAILED'],
    'without a variable': [ada, changed, 'BAD_USER_INPUT'],
    'in a protocol that nobody speaks': [ada, received, 'BAD_USER_INPUT', {}, { 'X-Subscription-Protocol': 'smoke' }],
    'in a compression that nobody knows': [ada, received, 'BAD_USER_INPUT', {}, { 'X-Subscription-Compress': 'zip' }],
  };
  for (const [what, [who, query, code, variables, headers]] of Object.entries(failures)) {
    await t.test(`point 2: a subscription ${what} fails with ${code} and without a channel`, async () => {
      const before = (await root.subscriptionsOf(ada)).length;
      const answer = await subscribe(who, query, { variables, headers });
      assert.deepEqual(answer.errors.map((e) => e.extensions.code), [code]);
      assert.equal(answer.data ?? null, null);
      carriesNothing(answer);
      assert.equal((await root.subscriptionsOf(ada)).length, before, 'nothing is stored');
      assert.deepEqual(await root.subscriptionsOf(eve), []);
    });
  }

  await t.test('point 3: queries and mutations carry neither, whether they succeed or fail', async () => {
    for (const query of ['{ me { id } }', '{ __typename }', '{ node(id: "4711") { id } }', '{ nothing }', '{',
      'mutation { createKnowledge(input: {title: "T", content: "C"}) { knowledge { id } } }',
      `mutation { respondToRequest(input: {requestId: "${id}", status: APPROVED}) { knowledgeRequest { id } } }`]) {
      carriesNothing(await graphql(server, query, { headers: ada.headers }));
    }
  });

  for (const [field, query] of Object.entries(withoutValue)) {
    await t.test(`point 4: ${field} begins with data {}, and not with null at its name`, async () => {
      assert.ok((await subscribe(ada, query)).text.startsWith('{"data":{},'));
    });
  }

  await t.test('point 5: knowledgeRequestChanged begins with the request as it is', async () => {
    const { data } = await subscribe(ada, changed, { variables: { id } });
    assert.deepEqual(data, { knowledgeRequestChanged: { id, status: 'PENDING' } });
  });

  await t.test('an event that has already happened is in the answer, and nothing is stored', async () => {
    const { knowledgeRequest } = await ada.ask(bob, 'Over already?');
    await bob.answer(knowledgeRequest.id, 'DENIED');
    const before = (await root.subscriptionsOf(ada)).length;
    const answer = await subscribe(ada, changed, { variables: { id: knowledgeRequest.id } });
    assert.deepEqual(answer.data, { knowledgeRequestChanged: { id: knowledgeRequest.id, status: 'DENIED' } });
    carriesNothing(answer);
    assert.equal((await root.subscriptionsOf(ada)).length, before);
  });

  const multipart = 'multipart/mixed;boundary=graphql;subscriptionSpec=1.0';
  const accepts = {
    'Apollo Client 4': `${multipart},application/graphql-response+json,application/json;q=0.9`,
    'Apollo Client 3': `${multipart},application/json`,
  };
  for (const [client, Accept] of Object.entries(accepts)) {
    await t.test(`point 6: ${client}, which accepts multipart/mixed first, is answered with JSON`, async () => {
      const { status, headers, channel, data } = await subscribe(ada, received, { headers: { Accept } });
      assert.equal(status, 200);
      assert.match(headers['content-type'], /^application\/(graphql-response\+)?json(;|$)/);
      assert.match(channel, channelName);
      assert.deepEqual(data, {});
    });
  }

  await t.test('point 6: that is what Apollo Client sends', async () => {
    const asked = [];
    const link = new HttpLink({
      uri: `${server.url}/graphql`, headers: ada.headers,
      fetch: (uri, init) => {
        asked.push(init.headers.accept);
        return fetch(uri, init);
      },
    });
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    const results = client.subscribe({ query: gql(changed), variables: { id } });
    await new Promise((resolve) => { results.subscribe({ next: resolve }); });
    assert.deepEqual(asked, [accepts['Apollo Client 4']]);
  });
});

inBothSetups('point 8: the authorization of a subscription\'s channel', async (t, start) => {
  const server = await start(t, { ...app, ...administrators });
  const [ada, bob, eve] = await signUpAll(server, 'Ada', 'Bob', 'Eve');
  const root = await Administrator.signUp(server);
  const { channel } = await subscribe(bob, received);
  const socketId = (await openBrowser(t, bob)).pusher.connection.socket_id;
  const evesSocketId = (await openBrowser(t, eve)).pusher.connection.socket_id;
  const paths = Object.values(families).map(({ authEndpoint }) => authEndpoint);
  const encodings = {
    'application/x-www-form-urlencoded': (fields) => new URLSearchParams(fields).toString(),
    'application/json': JSON.stringify,
  };
  const authorize = (person, path, fields, type = 'application/json') => send(server.url + path, {
    headers: { ...person.headers, 'Content-Type': type }, body: encodings[type](fields),
  });
  const signed = (id) => ({
    auth: `${app.PUSHER_KEY}:${createHmac('sha256', app.PUSHER_SECRET).update(`${id}:${channel}`).digest('hex')}`,
  });

  for (const path of paths) {
    for (const type of Object.keys(encodings)) {
      await t.test(`${path} signs it for its subscriber who asks with ${type}`, async () => {
        const answer = await authorize(bob, path, { socket_id: socketId, channel_name: channel }, type);
        assert.equal(answer.status, 200, answer.text);
        assert.match(answer.headers['content-type'], /^application\/json/);
        assert.deepEqual(answer.json(), signed(socketId));
      });
    }

    await t.test(`${path} leaves out the presence- that some of Lighthouse's clients put before it`, async () => {
      const answer = await authorize(bob, path, { socket_id: socketId, channel_name: `presence-${channel}` });
      assert.deepEqual([answer.status, answer.json()], [200, signed(socketId)]);
      const twice = await authorize(bob, path, { socket_id: socketId, channel_name: `presence-presence-${channel}` });
      assert.equal(twice.status, 403);
    });

    const badSockets = ['1', '1.2.3', 'a.b', '1.2:private-user-1', '1.2\n', ' 1.2', '-1.2', `${socketId}:${channel}`];
    const encrypted = channel.replace('gql', 'encrypted-gql');
    const refusals = {
      'another person': [eve, { socket_id: evesSocketId, channel_name: channel }, 403],
      'whoever is not signed in': [{ headers: {} }, { socket_id: socketId, channel_name: channel }, 401],
      'a channel that is not there': [bob, { socket_id: socketId, channel_name: `private-gql-${'a'.repeat(26)}` }, 403],
      'a channel that is nearly it': [bob, { socket_id: socketId, channel_name: `${channel}a` }, 403],
      'its name with encryption': [bob, { socket_id: socketId, channel_name: encrypted }, 403],
      'its name in capitals': [bob, { socket_id: socketId, channel_name: channel.toUpperCase() }, 403],
      'no socket': [bob, { channel_name: channel }, 403],
      'no channel': [bob, { socket_id: socketId }, 403],
      ...Object.fromEntries(badSockets.map((id) => [
        `the socket ${JSON.stringify(id)}`, [bob, { socket_id: id, channel_name: channel }, 403],
      ])),
    };
    for (const [what, [person, fields, status]] of Object.entries(refusals)) {
      await t.test(`${path} rejects ${what} with ${status}`, async () => {
        for (const type of Object.keys(encodings)) {
          const answer = await authorize(person, path, fields, type);
          assert.equal(answer.status, status, answer.text);
          assert.deepEqual(Object.keys(answer.json()), ['error']);
        }
      });
    }
  }

  await t.test('a rejected request has ended nothing', async () => {
    const browser = await listen(t, bob, channel);
    assert.equal(browser.rejection, null);
    await ada.ask(bob, 'Still there?');
    await browser.received(1);
    assert.equal(resultsOf(browser, 'knowledgeRequestReceived')[0].question, 'Still there?');
  });

  await t.test('once it has been ended its owner is let in for the end, and nobody else', async () => {
    const [{ id }] = await root.subscriptionsOf(bob);
    const browser = await listen(t, bob, channel);
    await root.end(id);
    await browser.until(({ events }) => events.at(-1)?.raw === '{"more":false}', 'it gets the end');
    for (const path of paths) {
      const answer = await authorize(bob, path, { socket_id: socketId, channel_name: channel });
      assert.equal(answer.status, 200);
      assert.equal((await authorize(eve, path, { socket_id: evesSocketId, channel_name: channel })).status, 403);
    }
    const [end] = await (await listen(t, bob, channel)).received(1);
    assert.equal(end.raw, '{"more":false}');
  });
});
