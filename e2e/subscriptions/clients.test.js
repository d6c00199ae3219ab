import assert from 'node:assert/strict';

import pako from 'pako';

import { signUpAll } from '../harness/person.js';
import { startServer } from '../harness/server.js';
import { scenario } from '../harness/setups.js';
import { listen, openSubscriptions, subscribe } from '../harness/subscription.js';
import { GraphqlRuby } from '../harness/subscribers/graphql-ruby.js';
import { GraphqlSse } from '../harness/subscribers/graphql-sse.js';
import { GraphqlWs } from '../harness/subscribers/graphql-ws.js';
import { openSubscriber } from '../harness/subscribers/index.js';
import { Lighthouse } from '../harness/subscribers/lighthouse.js';
import { eventually, soon, within } from '../harness/wait.js';

// How single clients behave with the server, and how the server handles their weaknesses. The points are those of
// docs/conformance.md.

const received = 'subscription { knowledgeRequestReceived { question } }';
const answered = 'subscription { knowledgeRequestAnswered { responseContent } }';
const changed = 'subscription ($id: ID!) { knowledgeRequestChanged(id: $id) { status } }';
const statusesOf = (stream) => stream.results.map(({ data }) => data.knowledgeRequestChanged.status);

scenario('point 5: the first value, which comes with the answer to the POST', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const { knowledgeRequest: { id } } = await ada.ask(bob, 'And now?');
  const [ruby, lighthouse] = [await openSubscriber(t, GraphqlRuby, ada), await openSubscriber(t, Lighthouse, ada)];
  const [one, other] = [ruby, lighthouse].map((client) => client.subscribe(changed, { id }));

  await t.test('PusherLink hands it to Apollo, which gives it to the application', async () => {
    await one.received(1);
    assert.deepEqual(statusesOf(one), ['PENDING']);
  });

  await t.test('the link of Lighthouse\'s documentation leaves it out', async () => {
    await within(other.registered, 'the server answers');
    await bob.answer(id, 'APPROVED');
    await Promise.all([one.ended(), other.ended()]);
    assert.deepEqual(statusesOf(one), ['PENDING', 'APPROVED']);
    assert.deepEqual(statusesOf(other), ['APPROVED']);
  });
});

scenario('point 17: PusherLink restores what is compressed', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const long = 'It is a long story.'.repeat(1_000);
  const askAndAnswer = async (question, answer) => {
    const { knowledgeRequest: { id } } = await ada.ask(bob, question);
    await bob.answer(id, 'APPROVED', answer);
  };
  const subscribeWith = async (options) => {
    const client = await openSubscriber(t, GraphqlRuby, ada, options);
    const stream = client.subscribe(answered);
    await within(stream.registered, 'the server answers');
    return stream;
  };

  await t.test('with its option decompress, written as its guide has it with pako 2', async () => {
    let times = 0;
    const decompress = (text) => {
      times += 1;
      const bytes = atob(text).split('').map((character) => character.charCodeAt(0));
      return JSON.parse(pako.inflate(new Uint8Array(bytes), { to: 'string' }));
    };
    const stream = await subscribeWith({ headers: { 'X-Subscription-Compress': 'gzip' }, decompress });
    await askAndAnswer('What happened?', long);
    await askAndAnswer('And then?', 'Nothing.');
    await stream.received(2);
    const answers = stream.results.map(({ data }) => data.knowledgeRequestAnswered.responseContent);
    assert.deepEqual(answers, [long, 'Nothing.']);
    assert.equal(times, 1, 'what is small is not compressed');
  });

  await t.test('and without asking for it gets none, but an error where a result does not fit', async () => {
    const stream = await subscribeWith({});
    await askAndAnswer('What happened again?', long);
    await askAndAnswer('And then again?', 'Nothing.');
    await stream.received(2);
    assert.deepEqual(stream.codes, ['SUBSCRIPTION_PAYLOAD_TOO_LARGE']);
    assert.deepEqual(stream.results[1].data, { knowledgeRequestAnswered: { responseContent: 'Nothing.' } });
    assert.equal(stream.ending, null, 'Apollo goes on after it');
  });
});

scenario('point 23: a channel that PusherLink leaks', async (t) => {
  const server = await startServer(t, { SUBSCRIPTIONS_PER_PERSON: '2', SUBSCRIPTION_GRACE: '1s' });
  const [bob] = await signUpAll(server, 'Bob');
  const client = await openSubscriber(t, GraphqlRuby, bob);

  await t.test('who unsubscribes before the answer leaves a channel open for as long as the page', async () => {
    for (const [i, document] of [received, answered].entries()) {
      const stream = client.subscribe(document);
      stream.unsubscribe();
      await within(stream.registered, 'the server answers');
      await soon(() => client.open === i + 1, 'PusherLink subscribes although nobody listens');
      assert.deepEqual(stream.results, []);
    }
    await soon(() => client.pusher.allChannels().every(({ subscribed }) => subscribed), 'both are joined');
  });

  await t.test('a person has only so many', async () => {
    assert.equal(await openSubscriptions(server), 2);
    const { errors, channel } = await subscribe(bob, received);
    assert.deepEqual(errors.map(({ extensions }) => extensions.code), ['RATE_LIMITED']);
    assert.equal(channel, undefined);
  });

  await t.test('once the page is gone they are ended, and there is room again', async () => {
    client.close();
    await eventually(async () => await openSubscriptions(server) === 0, 'they are ended');
    const { channel } = await subscribe(bob, received);
    assert.equal((await listen(t, bob, channel)).rejection, null);
  });
});

scenario('streams end when the server does, keep it from nothing, and are back by themselves', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const streams = [];
  for (const Client of [GraphqlWs, GraphqlSse]) {
    streams.push((await openSubscriber(t, Client, bob, { eager: false })).subscribe(received));
  }
  const questionsOf = (stream) => stream.results.map(({ data }) => data.knowledgeRequestReceived.question);
  const live = (time) => eventually(async () => {
    await bob.answer((await ada.ask(bob, time)).knowledgeRequest.id, 'DENIED');
    return streams.every((stream) => questionsOf(stream).includes(time));
  }, `updates flow ${time}`);

  await live('before');
  const begun = performance.now();
  await server.stop();
  const took = performance.now() - begun;
  assert.ok(took < 5_000, `${took} ms`);
  await server.start();
  await live('after');
  assert.deepEqual(streams.map(({ ending }) => ending), [null, null]);
});
