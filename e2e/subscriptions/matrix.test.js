import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import { signUpAll } from '../harness/person.js';
import { startServer } from '../harness/server.js';
import { inBothSetups, scenario } from '../harness/setups.js';
import { Administrator, administrators } from '../harness/subscription.js';
import { openSubscriber, subscribers } from '../harness/subscribers/index.js';
import { eventually, soon, within } from '../harness/wait.js';

// Every published client passes every scenario of the table: point 28, and with it 9 and 18.

const received = 'subscription Received { knowledgeRequestReceived { id question requester { name } } }';
const less = 'subscription Less { knowledgeRequestReceived { question } }';
const changed = 'subscription Changed($id: ID!) { knowledgeRequestChanged(id: $id) { id status responseContent } }';
const renamed = `subscription Renamed($id: ID!) {
  mine: knowledgeRequestChanged(id: $id) { number: id state: status question }
}`;

const knock = 'Is anybody there?';
const questionsOf = (stream) => stream.results.map(({ data }) => data?.knowledgeRequestReceived.question)
  .filter((question) => question && question !== knock);

/**
 * underway resolves when Bob's stream is live. Over Pusher the server's answer shows it. Otherwise questions are sent
 * until one arrives.
 */
async function underway(stream, { ada, bob }) {
  if (stream.registered) return within(stream.registered, 'the server answers');
  const before = stream.results.length;
  return eventually(async () => {
    const { knowledgeRequest } = await ada.ask(bob, knock);
    await bob.answer(knowledgeRequest.id, 'DENIED'); // otherwise the next question would be the same request
    return stream.results.length > before;
  }, 'the stream is live');
}

/** heard waits until these questions, besides the knocks, have come, in this order. */
async function heard(stream, questions) {
  await stream.until(() => questionsOf(stream).length >= questions.length, `${questions.length} questions arrive`);
  assert.deepEqual(questionsOf(stream), questions);
  assert.deepEqual(stream.codes, []);
}

const idle = (client) => soon(() => client.open === 0, 'nothing is left open');

const scenarios = {
  'gets two updates, in order': async ({ Client, open, ada, bob }) => {
    const client = await open(bob);
    const stream = client.subscribe(received);
    await underway(stream, { ada, bob });
    await ada.ask(bob, 'One?');
    const { knowledgeRequest } = await ada.ask(bob, 'Two?');
    await heard(stream, ['One?', 'Two?']);
    assert.deepEqual(stream.results.at(-1).data, {
      knowledgeRequestReceived: { id: knowledgeRequest.id, question: 'Two?', requester: { name: 'Ada' } },
    });
    assert.equal(stream.ending, null);
    if (!Client.overPusher) return; // without repeats no number is needed
    const [one, two] = stream.results.map(({ seq }) => seq);
    assert.ok(one < two, `seq ${one}, then ${two}`);
  },

  'gets what its variables name, under its aliases': async ({ Client, open, ada, bob }) => {
    const client = await open(ada);
    const { knowledgeRequest: { id } } = await ada.ask(bob, 'Mine?');
    const { knowledgeRequest: other } = await ada.ask(bob, 'Another?');
    const stream = await watch(client, renamed, id);
    await bob.answer(other.id, 'APPROVED');
    await bob.answer(id, 'DENIED');
    await stream.ended();
    const states = Client.deliversInitialValue ? ['PENDING', 'DENIED'] : ['DENIED'];
    assert.deepEqual(stream.results.map(({ data }) => data), states.map((state) => ({
      mine: { number: id, state, question: 'Mine?' },
    })));
  },

  'learns that it cannot subscribe, and leaves nothing open': async ({ open, ada, bob }) => {
    const client = await open(bob);
    const { knowledgeRequest: { id } } = await ada.ask(bob, 'Where?');
    const stream = client.subscribe(changed, { id: String(Number(id) + 1_000_000) });
    await stream.ended();
    assert.deepEqual(stream.codes, ['NOT_FOUND']);
    assert.deepEqual(stream.results.filter(({ data }) => data), []);
    await idle(client);
  },

  'learns that nobody is signed in, and leaves nothing open': async ({ open, bob }) => {
    const again = await bob.signInAgain();
    const client = await open(again);
    await again.signOut();
    const stream = client.subscribe(received);
    await stream.ended();
    const rejections = [...stream.codes, stream.ending.code].filter(Boolean);
    assert.equal(rejections.length, 1);
    // As an error, or as the code that a WebSocket is closed with.
    assert.ok(['UNAUTHENTICATED', 4401, 4403].includes(rejections[0]), `${rejections}`);
    await idle(client);
  },

  'gets the last value and then the end, when the server ends it': async ({ Client, open, ada, bob }) => {
    const client = await open(ada);
    const { knowledgeRequest: { id } } = await ada.ask(bob, 'How does it end?');
    const stream = await watch(client, changed, id);
    await bob.answer(id, 'APPROVED', 'Well.');
    await stream.ended();
    assert.equal(stream.ending, 'completed');
    const { data: { knowledgeRequestChanged: last }, codes } = stream.results.at(-1);
    assert.deepEqual(last, { id, status: 'APPROVED', responseContent: 'Well.' });
    assert.deepEqual(codes, []);
    assert.equal(stream.results.length, Client.deliversInitialValue ? 2 : 1);
    await idle(client);
  },

  'hears nothing more after it has unsubscribed': async ({ Client, open, ada, bob }) => {
    const client = await open(bob);
    // The two differ, because Apollo merges identical subscriptions.
    const [stream, other] = [received, less].map((document) => client.subscribe(document));
    for (const one of [stream, other]) await underway(one, { ada, bob });
    await ada.ask(bob, 'Before?');
    for (const one of [stream, other]) await heard(one, ['Before?']);
    stream.unsubscribe();
    if (Client.overPusher) assert.equal(client.open, 1, 'its channel is left');
    await ada.ask(bob, 'After?');
    await heard(other, ['Before?', 'After?']);
    await heard(stream, ['Before?']);
    other.unsubscribe();
    await idle(client);
  },

  'comes back after its connection is cut': async ({ Client, open, ada, bob }) => {
    const client = await open(bob);
    const stream = client.subscribe(received);
    await underway(stream, { ada, bob });
    await ada.ask(bob, 'Before?');
    await heard(stream, ['Before?']);
    client.line.cut();
    await client.lost();
    await ada.ask(bob, 'In the gap?');
    await ada.ask(bob, 'Still in the gap?');
    client.line.restore();
    if (!Client.overPusher) await underway(stream, { ada, bob });
    await ada.ask(bob, 'After?');
    await stream.until(() => questionsOf(stream).includes('After?'), 'updates flow again');
    assert.equal(stream.ending, null);

    if (Client.overPusher) {
      // Nothing is lost and everything is in order. A repeat has the same seq.
      const bySeq = new Map(stream.results.map(({ data, seq }) => [seq, data.knowledgeRequestReceived.question]));
      assert.deepEqual([...bySeq.values()], ['Before?', 'In the gap?', 'Still in the gap?', 'After?']);
    } else {
      // The client reads what it has missed.
      const missed = (await bob.requests('RECEIVED')).map(({ question }) => question);
      for (const question of ['In the gap?', 'Still in the gap?']) assert.ok(missed.includes(question), question);
    }
  },

  'gets an end when its session has been signed out': async ({ Client, open, ada, bob }) => {
    const again = await bob.signInAgain();
    const client = await open(again);
    const [stream, other] = [client.subscribe(received), (await open(bob)).subscribe(received)];
    for (const one of [stream, other]) await underway(one, { ada, bob });
    await ada.ask(bob, 'Before?');
    for (const one of [stream, other]) await heard(one, ['Before?']);
    await again.signOut();
    await stream.ended();
    assert.deepEqual([stream.ending.code ?? stream.ending, stream.codes], Client.endOfSession);
    await ada.ask(bob, 'After?');
    await heard(other, ['Before?', 'After?']); // of another session
    assert.deepEqual(questionsOf(stream), ['Before?']);
    await idle(client);
  },
};

// Scenarios only for clients over Pusher, because an administrator sees no others.
const overPusher = {
  'gets an end when an administrator ends it': async ({ open, ada, bob, root }) => {
    const client = await open(bob);
    const stream = client.subscribe(received);
    await underway(stream, { ada, bob });
    await ada.ask(bob, 'Before?');
    await heard(stream, ['Before?']);
    const [{ id, field }] = await root.subscriptionsOf(bob);
    assert.equal(field, 'knowledgeRequestReceived');
    await root.end(id);
    await stream.ended();
    assert.equal(stream.ending, 'completed');
    await idle(client);
  },
};

/** watch subscribes to one request and returns the stream when it is live. */
async function watch(client, document, id) {
  const stream = client.subscribe(document, { id });
  await within(stream.registered ?? stream.received(1), 'the server answers');
  return stream;
}

/** row runs all scenarios with one client at the same time, each with people and a connection of its own. */
async function row(t, Client, server, root) {
  const all = { ...scenarios, ...(Client.overPusher && overPusher) };
  await t.test(Client.title, { concurrency: 4 }, (group) => Promise.all(
    Object.entries(all).map(([name, body]) => group.test(`${Client.title} ${name}`, async (cell) => {
      const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
      await body({ Client, open: (person) => openSubscriber(cell, Client, person), ada, bob, root });
    })),
  ));
}

inBothSetups('clients over Pusher', async (t, start) => {
  const server = await start(t, administrators);
  const root = await Administrator.signUp(server);
  for (const Client of subscribers.filter((client) => client.overPusher)) await row(t, Client, server, root);
});

scenario('clients over a connection of their own', async (t) => {
  const server = await startServer(t);
  for (const Client of subscribers.filter((client) => !client.overPusher)) await row(t, Client, server);
});

inBothSetups('clients over a Pusher that cannot read along', async (t, start) => {
  const server = await start(t, { PUSHER_ENCRYPTION_MASTER_KEY: randomBytes(32).toString('base64') });
  for (const Client of subscribers.filter((client) => client.overPusher)) {
    await t.test(`${Client.title} gets two updates, in order`, async (cell) => {
      const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
      const opened = [];
      const open = async (person) => {
        opened.push(await openSubscriber(cell, Client, person));
        return opened[0];
      };
      await scenarios['gets two updates, in order']({ Client, open, ada, bob });
      const [channel] = opened[0].pusher.allChannels();
      assert.match(channel.name, /^private-encrypted-gql-/);
    });
  }
});
