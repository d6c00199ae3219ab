import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { BatchHttpLink } from '@apollo/client/link/batch-http';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { cacheExchange, Client, fetchExchange } from '@urql/core';
import relay from 'relay-runtime';

import { signUpAll } from './harness/person.js';
import { startServer } from './harness/server.js';
import { scenario } from './harness/setups.js';

// The published clients with the options of their guides, and their requests.

/**
 * recorder returns a fetch that records the requests: the method, and the names of the parameters in the URL or the
 * body.
 */
function recorder() {
  const sent = [];
  return {
    sent,
    fetch: async (url, init = {}) => {
      const { method = 'GET', body } = init;
      const members = method === 'GET' ? [...new URL(url).searchParams.keys()] : Object.keys(JSON.parse(body));
      const response = await fetch(url, init);
      sent.push({ method, members, status: response.status });
      return response;
    },
  };
}

const methods = (sent) => sent.map(({ method }) => method);
const me = gql`query Me { me { id name } }`;
const create = gql`mutation Create($input: CreateKnowledgeInput!) { createKnowledge(input: $input) { knowledge { title } } }`;
const input = { title: 'Roots', content: 'They go deep.' };

scenario('urql with its defaults', async (t) => {
  const server = await startServer(t);
  const [ada] = await signUpAll(server, 'Ada');
  const { sent, fetch } = recorder();
  const client = new Client({
    url: `${server.url}/graphql`, exchanges: [cacheExchange, fetchExchange], fetch, fetchOptions: { headers: ada.headers },
  });

  await t.test('asks by GET', async () => {
    const { data, error } = await client.query(me, {}).toPromise();
    assert.equal(error, undefined);
    assert.deepEqual(data.me, { __typename: 'User', id: ada.id, name: 'Ada' });
    const find = gql`query Find($text: String) { knowledge(search: $text) { totalCount } }`;
    const { data: found } = await client.query(find, { text: 'ä & ü' }).toPromise();
    assert.equal(found.knowledge.totalCount, 0);
    assert.deepEqual(methods(sent), ['GET', 'GET']);
  });

  await t.test('changes by POST', async () => {
    const { data, error } = await client.mutation(create, { input }).toPromise();
    assert.equal(error, undefined);
    assert.equal(data.createKnowledge.knowledge.title, 'Roots');
    assert.equal(sent.at(-1).method, 'POST');
  });

  await t.test('asks by POST what is too long for a URL', async () => {
    const { error } = await client.query(gql`query Long { ${'me { id } '.repeat(300)} }`, {}).toPromise();
    assert.match(error.message, /over 100 times/); // the answer is ours
    assert.equal(sent.at(-1).method, 'POST');
  });

  await t.test('is given the errors of a query', async () => {
    const { data, error } = await client.query(gql`query { me { name } node(id: "1x") { id } }`, {}).toPromise();
    assert.equal(sent.at(-1).method, 'GET');
    assert.notEqual(error.graphQLErrors.length, 0, JSON.stringify(data));
  });
});

scenario('Apollo Client with useGETForQueries', async (t) => {
  const server = await startServer(t);
  const [ada] = await signUpAll(server, 'Ada');
  const { sent, fetch } = recorder();
  const link = new HttpLink({ uri: `${server.url}/graphql`, useGETForQueries: true, headers: ada.headers, fetch });
  const client = new ApolloClient({ cache: new InMemoryCache(), link });
  const { data } = await client.query({ query: me });
  assert.deepEqual(data.me, { __typename: 'User', id: ada.id, name: 'Ada' });
  const { data: made } = await client.mutate({ mutation: create, variables: { input } });
  assert.equal(made.createKnowledge.knowledge.title, 'Roots');
  assert.deepEqual(methods(sent), ['GET', 'POST']);
});

for (const useGETForHashedQueries of [true, false]) {
  scenario(`Apollo Client with persisted queries, useGETForHashedQueries: ${useGETForHashedQueries}`, async (t) => {
    const server = await startServer(t);
    const [ada] = await signUpAll(server, 'Ada');
    const { sent, fetch } = recorder();
    const sha256 = (text) => createHash('sha256').update(text).digest('hex');
    const client = new ApolloClient({
      cache: new InMemoryCache(),
      link: ApolloLink.from([
        new PersistedQueryLink({ sha256, useGETForHashedQueries }),
        new HttpLink({ uri: `${server.url}/graphql`, headers: ada.headers, fetch }),
      ]),
    });
    const ask = () => client.query({ query: me, fetchPolicy: 'network-only' });
    assert.equal((await ask()).data.me.name, 'Ada'); // the server does not know it yet, so the whole document is sent as well
    assert.equal((await ask()).data.me.name, 'Ada');
    const byHash = useGETForHashedQueries ? 'GET' : 'POST';
    assert.equal(sent.length, 3);
    assert.deepEqual([sent[0].method, sent[2].method], [byHash, byHash]);
    assert.deepEqual(sent.map(({ members }) => members.includes('query')), [false, true, false]);

    const { data } = await client.mutate({ mutation: create, variables: { input } });
    assert.equal(data.createKnowledge.knowledge.title, 'Roots');
    assert.equal(sent.at(-1).method, 'POST');
    const { data: { knowledge } } = await client.query({ query: gql`{ knowledge { totalCount } }` });
    assert.equal(knowledge.totalCount, 1, 'the mutation ran once');
  });
}

scenario('Apollo Client with BatchHttpLink gets an error because batches are not served, and nothing runs', async (t) => {
  const server = await startServer(t);
  const [ada] = await signUpAll(server, 'Ada');
  const link = new BatchHttpLink({ uri: `${server.url}/graphql`, headers: ada.headers });
  const client = new ApolloClient({ cache: new InMemoryCache(), link });
  const outcomes = await Promise.allSettled([
    client.query({ query: me }), client.mutate({ mutation: create, variables: { input } }),
  ]);
  for (const { status, reason } of outcomes) {
    assert.equal(status, 'rejected');
    assert.match(JSON.stringify(reason.result), /batches are not served/);
  }
  const { data } = await ada.client.query({ query: gql`{ knowledge { totalCount } }` });
  assert.equal(data.knowledge.totalCount, 0);
});

// The output of relay-compiler for query Me { me { id name } }.
const selections = [{
  alias: null, args: null, concreteType: 'User', kind: 'LinkedField', name: 'me', plural: false, storageKey: null,
  selections: ['id', 'name'].map((name) => ({ alias: null, args: null, kind: 'ScalarField', name, storageKey: null })),
}];
const relayMe = {
  kind: 'Request',
  fragment: { argumentDefinitions: [], kind: 'Fragment', metadata: null, name: 'Me', selections, type: 'Query', abstractKey: null },
  operation: { argumentDefinitions: [], kind: 'Operation', name: 'Me', selections },
  params: {
    cacheID: 'me', id: null, metadata: {}, name: 'Me', operationKind: 'query', text: 'query Me {\n  me {\n    id\n    name\n  }\n}\n',
  },
};

scenario('Relay with the network of its guide, by POST and by GET', async (t) => {
  const server = await startServer(t);
  const [ada] = await signUpAll(server, 'Ada');
  const byPost = ({ text }, variables) => fetch(`${server.url}/graphql`, {
    method: 'POST', headers: { 'Content-Type': 'application/json', ...ada.headers }, body: JSON.stringify({ query: text, variables }),
  }).then((response) => response.json());
  const byGet = ({ text, name }, variables) => {
    const parameters = new URLSearchParams({ query: text, variables: JSON.stringify(variables), operationName: name });
    return fetch(`${server.url}/graphql?${parameters}`, { headers: ada.headers }).then((response) => response.json());
  };
  for (const fetchQuery of [byPost, byGet]) {
    const environment = new relay.Environment({
      network: relay.Network.create(fetchQuery), store: new relay.Store(new relay.RecordSource()),
    });
    const data = await relay.fetchQuery(environment, relayMe, {}).toPromise();
    assert.deepEqual(data.me, { id: ada.id, name: 'Ada' });
  }
});
