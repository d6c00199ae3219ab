import assert from 'node:assert/strict';

import { signUpAll } from '../harness/person.js';
import { startServer } from '../harness/server.js';
import { scenario } from '../harness/setups.js';
import { BarePusher } from '../harness/subscribers/bare.js';
import { Fetcher } from '../harness/subscribers/fetcher.js';
import { GraphqlRuby15 } from '../harness/subscribers/graphql-ruby.js';
import { openSubscriber, published } from '../harness/subscribers/index.js';
import { Relay } from '../harness/subscribers/relay.js';
import { Thekonz, Thekonz1 } from '../harness/subscribers/thekonz.js';
import { Urql } from '../harness/subscribers/urql.js';
import { soon, within } from '../harness/wait.js';

// The table "What the published clients do" of docs/protocol.md, cell by cell, without the cells about a client alone.

const answered = 'subscription Answered { knowledgeRequestAnswered { responseContent } }';
const changed = 'subscription Changed($id: ID!) { knowledgeRequestChanged(id: $id) { status } }';
const long = 'It is a long story.'.repeat(600);
const tooLarge = 'SUBSCRIPTION_PAYLOAD_TOO_LARGE';

/** subscribeAll subscribes with each client for a person, and returns them when they have joined. */
async function subscribeAll(t, person, clients, document, variables) {
  const all = [];
  for (const Client of clients) {
    const client = await openSubscriber(t, Client, person);
    const stream = client.subscribe(document, variables);
    await within(stream.registered, `the server answers ${Client.title}`);
    all.push({ Client, client, stream });
  }
  await soon(() => all.every(({ client }) => client.pusher.allChannels().some(({ subscribed }) => subscribed)), 'all have joined');
  return all;
}

/** askAndAnswer makes Bob answer a question of Ada's. */
async function askAndAnswer(ada, bob, question, answer) {
  const { knowledgeRequest: { id } } = await ada.ask(bob, question);
  await bob.answer(id, 'APPROVED', answer);
}

const answersOf = (stream) => stream.results.map(({ data }) => data?.knowledgeRequestAnswered?.responseContent).filter(Boolean);
const statusesOf = (stream) => stream.results.map(({ data }) => data?.knowledgeRequestChanged?.status).filter(Boolean);

scenario('table: a result that is too large', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const all = await subscribeAll(t, ada, published, answered);
  const ends = [GraphqlRuby15, Relay, Thekonz, Thekonz1];
  await askAndAnswer(ada, bob, 'What happened?', long);
  await Promise.all(all.map(({ stream }) => stream.until(() => stream.codes.length > 0 || stream.ending, 'the message arrives')));
  await askAndAnswer(ada, bob, 'And then?', 'Nothing.');
  for (const { Client, stream } of all) {
    await t.test(`${Client.title} ${ends.includes(Client) ? 'ends with' : 'goes on after'} the error`, async () => {
      if (ends.includes(Client)) {
        assert.notEqual(stream.ending, 'completed');
        assert.deepEqual(stream.codes, [tooLarge]);
        assert.deepEqual(answersOf(stream), []);
      } else {
        await stream.until(() => answersOf(stream).length > 0, 'the next one arrives');
        assert.deepEqual(answersOf(stream), ['Nothing.']);
        assert.deepEqual(new Set(stream.codes), new Set([tooLarge])); // urql keeps the error in later results
        assert.equal(stream.ending, null);
      }
    });
  }

  await t.test('its error names the path of the whole result', async () => {
    const client = await openSubscriber(t, BarePusher, ada);
    const received = new Promise((resolve) => { client.pusher.bind_global((name, data) => data?.result?.errors && resolve(data)); });
    await within(client.subscribe(answered).registered, 'the server answers');
    await askAndAnswer(ada, bob, 'What happened again?', long);
    const [{ extensions: { fetch: path } }] = (await within(received, 'the message arrives')).result.errors;
    const answer = await fetch(server.url + path, { headers: ada.headers });
    assert.equal(answer.status, 200);
    assert.ok((await answer.json()).data.knowledgeRequestAnswered.responseContent === long);
  });
});

scenario('table: a result that is to be fetched', async (t) => {
  const server = await startServer(t, { SUBSCRIPTION_OVERSIZE: 'fetch' });
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const all = await subscribeAll(t, ada, published, answered);
  const errors = [Thekonz, Thekonz1];
  const stub = new Promise((resolve) => {
    all.at(-1).client.pusher.bind_global((name, data) => data?.fetch && resolve(data.fetch));
  });
  await askAndAnswer(ada, bob, 'What happened?', long);
  await within(stub, 'the message arrives');
  await askAndAnswer(ada, bob, 'And then?', 'Nothing.');
  for (const { Client, stream } of all.filter((one) => one.Client !== Fetcher)) {
    await t.test(`${Client.title} ${errors.includes(Client) ? 'ends with an error' : 'passes over it and goes on'}`, async () => {
      if (errors.includes(Client)) {
        await stream.ended();
        assert.deepEqual(stream.codes, [tooLarge]);
      } else {
        await stream.until(() => answersOf(stream).length > 0, 'the next one arrives');
        assert.deepEqual(answersOf(stream), ['Nothing.']);
        assert.deepEqual(stream.codes, []);
        assert.equal(stream.ending, null);
      }
    });
  }

  await t.test('graphql-ruby-client\'s fetcher for GraphiQL hands out undefined for it', async () => {
    const { stream } = all.find(({ Client }) => Client === Fetcher);
    await stream.ended(); // the harness takes undefined for the end
    assert.deepEqual(stream.codes, []);
  });

  await t.test('its url is where it can be read, whole and as it is', async () => {
    const { url } = await stub;
    const answer = await fetch(server.url + url, { headers: ada.headers });
    assert.equal(answer.status, 200);
    assert.ok((await answer.json()).data.knowledgeRequestAnswered.responseContent === long);
  });
});

scenario('table: the first value, the last one and the end', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const { knowledgeRequest: { id } } = await ada.ask(bob, 'How does it end?');
  // Of results that arrive together the fetcher hands out only the first, so the last one or the end may be lost.
  const all = await subscribeAll(t, ada, published.filter((Client) => Client !== Fetcher), changed, { id });
  await bob.answer(id, 'APPROVED');
  for (const { Client, client, stream } of all) {
    const first = Client.deliversInitialValue ? ['PENDING'] : [];
    await t.test(`${Client.title} hands out ${first[0] ?? 'no first value'}, the last one, and the end`, async () => {
      await stream.ended();
      assert.deepEqual([...new Set(statusesOf(stream))], [...first, 'APPROVED']); // at the end urql hands out the last result again
      if (stream.ending === 'completed') assert.deepEqual(stream.codes, []);
      else assert.deepEqual(stream.codes, ['SUBSCRIPTION_ENDED']);
      assert.equal(stream.ending !== 'completed', [Thekonz, Thekonz1].includes(Client));
      await soon(() => client.open === 0, 'its channel is left');
    });
  }
});

scenario('table: a subscription that is rejected', async (t) => {
  const server = await startServer(t);
  const [ada] = await signUpAll(server, 'Ada');
  // Relay's handler throws an error that nobody can catch.
  for (const Client of published.filter((one) => one !== Relay)) {
    await t.test(`${Client.title} shows ${Client === Urql ? 'that something went wrong' : 'why'}`, async () => {
      const client = await openSubscriber(t, Client, ada);
      const stream = client.subscribe(changed, { id: '12884901889' });
      await stream.until(() => stream.ending || stream.results.length > 0, 'the message arrives');
      if (Client === Urql) assert.deepEqual(stream.results.map(({ codes }) => codes), [[undefined]]);
      else assert.deepEqual(stream.codes, ['NOT_FOUND']);
    });
  }
});
