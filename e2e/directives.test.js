import assert from 'node:assert/strict';

import { graphql } from './harness/http.js';
import { signUpAll } from './harness/person.js';
import { startServer } from './harness/server.js';
import { scenario } from './harness/setups.js';
import { openSubscriptions, subscribe } from './harness/subscription.js';
import { GraphqlRuby } from './harness/subscribers/graphql-ruby.js';
import { GraphqlSse } from './harness/subscribers/graphql-sse.js';
import { GraphqlWs } from './harness/subscribers/graphql-ws.js';
import { openSubscriber } from './harness/subscribers/index.js';
import { eventually } from './harness/wait.js';

// Every directive that introspection lists works on every transport. Any other directive is rejected, and nothing runs.

// The selections of an item, and the keys that must arrive. There is one row for each directive of operations.
const executable = {
  skip: [['title @skip(if: true)', ['id']], ['title @skip(if: false)', ['id', 'title']], ['...on Knowledge @skip(if: $yes) { title }', ['id']]],
  include: [['title @include(if: false)', ['id']], ['title @include(if: true)', ['id', 'title']], ['...on Knowledge @include(if: $no) { title }', ['id']]],
};

// The directives of the schema: a query, and the part of its data that shows the effect.
const ofTheSchema = {
  deprecated: ['{ __type(name: "User") { fields(includeDeprecated: true) { name isDeprecated deprecationReason } } }',
    ({ __type: { fields } }) => fields.some((f) => f.name === 'email' && f.isDeprecated && f.deprecationReason)],
  specifiedBy: ['{ __type(name: "Time") { specifiedByURL } }', ({ __type }) => __type.specifiedByURL.startsWith('https://')],
  oneOf: ['{ __type(name: "MarkNotificationsReadInput") { isOneOf } }', ({ __type }) => __type.isOneOf],
};

const notServed = ['@defer', '@defer(if: false)', '@defer(label: "a")', '@stream', '@broadcastable', '@live'];

scenario('directives, on every transport', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  await ada.createKnowledge('Roots', 'They hold.');
  const post = async (query, variables) => (await graphql(server, query, { variables, headers: ada.headers })).json();
  const [socket, events, pusher] = [
    await openSubscriber(t, GraphqlWs, ada), await openSubscriber(t, GraphqlSse, ada), await openSubscriber(t, GraphqlRuby, ada),
  ];
  const streaming = { 'a WebSocket': socket, 'server-sent events': events };
  const firstOf = async (client, query, variables) => (await client.subscribe(query, variables).received(1))[0].data;

  await t.test('this test knows those that introspection lists', async () => {
    const { data } = await post('{ __schema { directives { name } } }');
    assert.deepEqual(data.__schema.directives.map(({ name }) => name).sort(), [...Object.keys(executable), ...Object.keys(ofTheSchema)].sort());
  });

  for (const [name, [query, shows]] of Object.entries(ofTheSchema)) {
    await t.test(`@${name} is in the schema`, async () => {
      assert.ok(shows((await post(query)).data), 'by POST');
      for (const [wire, client] of Object.entries(streaming)) assert.ok(shows(await firstOf(client, query)), wire);
    });
  }

  const variables = { yes: true, no: false };
  const declared = (selection) => (selection.includes('$yes') ? '($yes: Boolean!)' : selection.includes('$no') ? '($no: Boolean!)' : '');

  for (const [name, rows] of Object.entries(executable)) {
    for (const [selection, keys] of rows) {
      await t.test(`@${name}: ${selection}`, async () => {
        const query = `query ${declared(selection)} { knowledge(first: 1) { edges { node { id ${selection} } } } }`;
        const nodeOf = (data) => Object.keys(data.knowledge.edges[0].node);
        assert.deepEqual(nodeOf((await post(query, variables)).data), keys, 'by POST');
        for (const [wire, client] of Object.entries(streaming)) assert.deepEqual(nodeOf(await firstOf(client, query, variables)), keys, wire);

        const subscription = `subscription ${declared(selection)} { knowledgePublished { id ${selection} } }`;
        const streams = [socket, events, pusher].map((client) => client.subscribe(subscription, variables));
        await eventually(async () => (await openSubscriptions(server)) > 0, 'the subscription over Pusher is stored');
        await streams[2].registered;
        for (let published = 0; streams.some((stream) => stream.results.length === 0); published += 1) {
          await bob.createKnowledge(`News ${published}`, ''); // streams do not report when they listen
        }
        for (const stream of streams) {
          const [{ data }] = await stream.received(1);
          assert.deepEqual(Object.keys(data.knowledgePublished), keys);
          stream.unsubscribe();
        }
      });
    }
  }

  for (const directive of notServed) {
    await t.test(`${directive} is rejected, and nothing runs`, async () => {
      const total = async () => (await post('{ knowledge { totalCount } }')).data.knowledge.totalCount;
      const before = [await total(), await openSubscriptions(server)];
      const documents = [
        `{ viewer { email ... ${directive} { user { id } } } }`,
        `mutation { createKnowledge(input: {title: "x", content: ""}) { knowledge { id ... ${directive} { title } } } }`,
        `subscription { knowledgePublished { id ... ${directive} { title } } }`,
      ];
      for (const document of documents) {
        const { data, errors, channel } = await subscribe(ada, document); // Apollo would not send it
        assert.equal(data, undefined, document);
        assert.equal(channel, undefined, 'there is no channel to be joined over Pusher');
        assert.equal(errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
        assert.match(errors[0].message, /directive/i);
        for (const client of [socket, events]) {
          const stream = client.subscribe(document);
          await stream.until(() => stream.codes.length > 0, 'it is rejected');
          assert.deepEqual([...new Set(stream.codes)], ['GRAPHQL_VALIDATION_FAILED']);
          assert.ok(stream.results.every((result) => !result.data), 'there is no data');
        }
      }
      assert.deepEqual([await total(), await openSubscriptions(server)], before);
    });
  }
});
