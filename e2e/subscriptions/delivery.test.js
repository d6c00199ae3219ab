import assert from 'node:assert/strict';

import pako from 'pako';

import { Browser } from '../harness/browser.js';
import { startGated } from '../harness/gated.js';
import { openLine } from '../harness/line.js';
import { failsWith, signUpAll } from '../harness/person.js';
import { startServer } from '../harness/server.js';
import { inBothSetups, scenario } from '../harness/setups.js';
import { families, listen, openSubscriptions, resultsOf, statistics, subscribe } from '../harness/subscription.js';
import { onEnd } from '../harness/teardown.js';
import { eventually } from '../harness/wait.js';

// Deliveries over Pusher. The points are those of docs/conformance.md.

const received = 'subscription { knowledgeRequestReceived { question } }';
const notified = 'subscription { notificationReceived { kind request { question } } }';
const answeredWith = 'subscription { knowledgeRequestAnswered { responseContent } }';
const changed = 'subscription ($id: ID!) { knowledgeRequestChanged(id: $id) { status responseContent } }';
const questionsOf = (browser) => resultsOf(browser, 'knowledgeRequestReceived').map((request) => request?.question);
/**
 * endOf returns the last message for a family. At Lighthouse's path a message without a result also has data, because
 * thekonz's link reads it.
 */
const endOf = (family) => JSON.stringify({
  more: false,
  ...(family === 'lighthouse' && {
    data: { data: null, errors: [{ message: 'this subscription has ended', extensions: { code: 'SUBSCRIPTION_ENDED' } }] },
  }),
});

/** heard waits until these questions have come, in this order and once, except repeats with the same seq. */
async function heard(browser, questions) {
  await browser.until(() => questionsOf(browser).includes(questions.at(-1)), `${questions} arrive`);
  const bySeq = new Map(browser.events.map(({ data: { result } }) => [
    result.extensions.subscription.seq, result.data.knowledgeRequestReceived.question,
  ]));
  assert.deepEqual([...bySeq.values()], questions);
}

/** listenThrough joins a channel over a line that can be cut. */
async function listenThrough(t, person, channel) {
  const realtime = await person.query('realtime');
  const line = await openLine(t, `${realtime.host}:${realtime.port}`);
  const browser = new Browser(person.server, { ...realtime, host: line.host, port: line.port }, {
    headers: person.headers, channel,
  });
  onEnd(t, () => browser.close());
  await browser.subscribed();
  return { browser, line };
}

for (const [family, { event }] of Object.entries(families)) {
  inBothSetups(`what ${family} reads`, async (t, start) => {
    const server = await start(t);
    const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');

    await t.test('point 10: what happens between POST and join arrives after the join, in order', async () => {
      const { channel } = await subscribe(bob, received);
      const questions = ['One?', 'Two?', 'Three?'];
      for (const question of questions) await ada.ask(bob, question);
      const browser = await listen(t, bob, channel, family);
      await ada.ask(bob, 'Four?');
      await heard(browser, [...questions, 'Four?']);
      assert.equal(browser.events.length, 4, 'each once');
    });

    await t.test(`an update is the event ${event}, with more and a seq that is the notification's id`, async () => {
      const { channel } = await subscribe(bob, received);
      const browser = await listen(t, bob, channel, family);
      await ada.ask(bob, 'As <it> is?');
      const [{ name, raw, data: { result: { extensions: { subscription } } } }] = await browser.received(1);
      assert.equal(name, event);
      const [notification] = await bob.notifications();
      assert.equal(String(subscription.seq), notification.id);
      assert.equal(subscription.ts, notification.createdAt);
      const result = { data: { knowledgeRequestReceived: { question: 'As <it> is?' } }, extensions: { subscription } };
      assert.equal(raw, JSON.stringify(family === 'lighthouse' ? { more: true, result, data: result } : { result, more: true }));
    });

    await t.test('point 18: the last value comes, then the end by itself, and to whoever joins later the end alone', async () => {
      const { knowledgeRequest: { id } } = await ada.ask(bob, 'How does it end?');
      const { channel } = await subscribe(ada, changed, { variables: { id } });
      const browser = await listen(t, ada, channel, family);
      await bob.answer(id, 'APPROVED', 'Well.');
      const [last, end] = await browser.received(2);
      const { result: { data } } = last.data;
      assert.deepEqual(data, { knowledgeRequestChanged: { status: 'APPROVED', responseContent: 'Well.' } });
      assert.deepEqual([last.name, last.data.more], [event, true]);
      assert.deepEqual([end.name, end.raw], [event, endOf(family)]);
      const [late] = await (await listen(t, ada, channel, family)).received(1);
      assert.deepEqual([late.name, late.raw], [event, endOf(family)]);
      assert.equal((await listen(t, bob, channel, family)).rejection?.status, 403);
    });

    await t.test('point 26: a rejected mutation, or one that changes nothing, notifies nobody', async () => {
      const browsers = {};
      for (const [who, person] of Object.entries({ ada, bob })) {
        const { channel } = await subscribe(person, notified);
        browsers[who] = await listen(t, person, channel, family);
      }
      const { knowledgeRequest: { id } } = await ada.ask(bob, 'The one?');
      assert.equal((await ada.ask(bob, 'The one?')).alreadyExists, true);
      await failsWith('BAD_USER_INPUT', ada.ask(bob, 'x'.repeat(2001)));
      await failsWith('OWN_KNOWLEDGE', ada.ask(ada, 'Who am I?'));
      await failsWith('FORBIDDEN', ada.answer(id, 'APPROVED'));
      await bob.answer(id, 'DENIED');
      await failsWith('ALREADY_ANSWERED', bob.answer(id, 'APPROVED'));
      // The fences: everything that was sent before them came before.
      const { knowledgeRequest: fence } = await ada.ask(bob, 'The fence?');
      await bob.answer(fence.id, 'DENIED');
      for (const [who, kind] of [['bob', 'KNOWLEDGE_REQUEST'], ['ada', 'KNOWLEDGE_RESPONSE']]) {
        await browsers[who].received(2);
        const expected = ['The one?', 'The fence?'].map((question) => ({ kind, request: { question } }));
        assert.deepEqual(resultsOf(browsers[who], 'notificationReceived'), expected);
      }
    });
  });
}

inBothSetups('a client that goes and comes', async (t, start) => {
  const server = await start(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');

  await t.test('point 9: it may join again within the grace, and misses nothing', async () => {
    const { channel } = await subscribe(bob, received);
    const { browser, line } = await listenThrough(t, bob, channel);
    await ada.ask(bob, 'Before?');
    await heard(browser, ['Before?']);
    for (const [i, question] of ['In the first gap?', 'In the second gap?'].entries()) {
      line.cut();
      await browser.until(({ state }) => state !== 'connected', 'the cut is noticed');
      await ada.ask(bob, question);
      line.restore();
      await browser.subscribed(i + 2);
    }
    assert.equal(browser.rejection, null);
    await ada.ask(bob, 'After?');
    await heard(browser, ['Before?', 'In the first gap?', 'In the second gap?', 'After?']);
  });

  for (const [end, stop] of [['a restart', () => server.stop()], ['kill -9', () => server.kill()]]) {
    await t.test(`point 24: a subscription survives ${end}, and gets what happens until it is back`, async () => {
      const { channel } = await subscribe(bob, received);
      const browser = await listen(t, bob, channel);
      await ada.ask(bob, `Before ${end}?`);
      await heard(browser, [`Before ${end}?`]);
      await stop();
      await server.start();
      await ada.ask(bob, `At once after ${end}?`);
      await ada.ask(bob, `A little after ${end}?`);
      await heard(browser, [`Before ${end}?`, `At once after ${end}?`, `A little after ${end}?`]);
      browser.close();
    });
  }

  await t.test('point 24: so does one that nobody has joined yet', async () => {
    const { channel } = await subscribe(bob, received);
    await ada.ask(bob, 'Before the restart and the join?');
    await server.stop();
    await server.start();
    await ada.ask(bob, 'Between the restart and the join?');
    const browser = await listen(t, bob, channel);
    assert.equal(browser.rejection, null);
    await heard(browser, ['Before the restart and the join?', 'Between the restart and the join?']);
  });

  await t.test('point 21: signing out ends the subscriptions of that session, and of no other', async () => {
    const again = await bob.signInAgain();
    const browsers = [];
    for (const person of [again, again, bob]) {
      browsers.push(await listen(t, person, (await subscribe(person, received)).channel));
    }
    await ada.ask(bob, 'Before the end?');
    for (const browser of browsers) await browser.received(1);
    const unjoined = await subscribe(again, received);
    await again.signOut();
    for (const browser of browsers.slice(0, 2)) {
      await browser.until(({ events }) => events.at(-1)?.raw === endOf('graphql-ruby'), 'it ends');
    }
    await ada.ask(bob, 'After the end?');
    await browsers[2].received(2);
    assert.deepEqual(browsers.map(({ events }) => events.length), [2, 2, 2]);
    assert.deepEqual(questionsOf(browsers[2]), ['Before the end?', 'After the end?']);
    const late = await listen(t, bob, unjoined.channel);
    const [end] = await late.received(1);
    assert.equal(end.raw, endOf('graphql-ruby'), 'nor is it revived by another session');
  });
});

scenario('point 9: data in transit at a reconnect does not overtake missed events', async (t) => {
  const { server, gate } = await startGated(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const { channel } = await subscribe(bob, received);
  const { browser, line } = await listenThrough(t, bob, channel);
  await ada.ask(bob, 'Before?');
  await heard(browser, ['Before?']);
  line.cut();
  await browser.until(({ state }) => state !== 'connected', 'the cut is noticed');
  await ada.ask(bob, 'Lost in the gap?');
  await eventually(async () => (await statistics(server)).updates === 2, 'it is sent to nobody');
  await gate.set('hold');
  await ada.ask(bob, 'On its way?');
  await gate.called('hold');
  line.restore();
  await browser.until(({ state }) => state === 'connected', 'it is back'); // and now it asks to join
  await statistics(server);
  await gate.set('pass');
  await browser.subscribed(2);
  await ada.ask(bob, 'After?');
  await heard(browser, ['Before?', 'Lost in the gap?', 'On its way?', 'After?']);
});

scenario('a client that stays away for longer than the grace takes no place, and is back', async (t) => {
  const server = await startServer(t, { SUBSCRIPTION_GRACE: '1s' });
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const { channel } = await subscribe(bob, received);
  const { browser, line } = await listenThrough(t, bob, channel);
  assert.equal(await openSubscriptions(server), 1);
  line.cut();
  await eventually(async () => await openSubscriptions(server) === 0, 'it is away');
  await ada.ask(bob, 'Where are you?');
  line.restore();
  const [{ data }] = await browser.received(1);
  assert.equal(data.result.data.knowledgeRequestReceived.question, 'Where are you?');
  assert.equal(await openSubscriptions(server), 1);
});

/** How clients decode compressed_result: as in graphql-ruby's guide, with pako 2, and with the browser's function. */
const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const decompressions = {
  'pako 2': async (text) => JSON.parse(pako.inflate(bytesOf(text), { to: 'string' })),
  DecompressionStream: async (text) => {
    const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Response(stream).json();
  },
};

scenario('point 17: results that are compressed', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const open = async (headers, family) => {
    const { channel } = await subscribe(ada, answeredWith, { headers });
    return listen(t, ada, channel, family);
  };
  const gzip = { 'X-Subscription-Compress': 'gzip' };
  const [packing, plain, lighthouse] = [await open(gzip), await open({}), await open(gzip, 'lighthouse')];

  /** answered makes Bob answer something, and returns each client's result. */
  let times = 0;
  const answered = async (responseContent) => {
    const { knowledgeRequest: { id } } = await ada.ask(bob, `The ${times += 1}. question?`);
    await bob.answer(id, 'APPROVED', responseContent);
    const arrived = [packing, plain, lighthouse].map((browser) => browser.received(times));
    return (await Promise.all(arrived)).map((events) => events.at(-1).data);
  };

  const long = 'ü😀"\\\n<'.repeat(500);
  for (const [name, decompress] of Object.entries(decompressions)) {
    await t.test(`a large one is restored with ${name}`, async () => {
      const [packed, open] = await answered(long);
      assert.deepEqual(Object.keys(packed), ['compressed_result', 'more']);
      assert.match(packed.compressed_result, /^[A-Za-z0-9+/]+={0,2}$/);
      const result = await decompress(packed.compressed_result);
      assert.deepEqual(result, open.result);
      assert.deepEqual(result.data, { knowledgeRequestAnswered: { responseContent: long } });
      assert.equal(result.extensions.subscription.seq, open.result.extensions.subscription.seq);
    });
  }

  await t.test('a small one is not compressed', async () => {
    const [packed] = await answered('short');
    assert.deepEqual(packed.result.data, { knowledgeRequestAnswered: { responseContent: 'short' } });
  });

  await t.test('nor is one for a client of Lighthouse\'s, which could not read it', async () => {
    const [, , data] = await answered(long);
    assert.deepEqual(data.result.data, { knowledgeRequestAnswered: { responseContent: long } });
  });

  await t.test('one that fits only when compressed arrives, and is an error without', async () => {
    const larger = long.repeat(8);
    const [packed, { result }] = await answered(larger);
    const { data } = await decompressions['pako 2'](packed.compressed_result);
    assert.equal(data.knowledgeRequestAnswered.responseContent, larger);
    assert.deepEqual(result.errors.map((e) => e.extensions.code), ['SUBSCRIPTION_PAYLOAD_TOO_LARGE']);
  });
});

scenario('a client may name its protocol, at any path for authorization', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const keys = {
    'graphql-ruby': { update: ['result', 'more'] },
    lighthouse: { 'lighthouse-subscription': ['more', 'result'] },
    'lighthouse-echo': { 'lighthouse-subscription': ['more', 'result', 'data', 'channel'] },
    both: { update: ['result', 'more'], 'lighthouse-subscription': ['more', 'result'] },
  };
  for (const protocol of Object.keys(keys)) {
    for (const family of Object.keys(families)) {
      await t.test(`${protocol}, authorized at ${families[family].authEndpoint}`, async () => {
        const { channel } = await subscribe(bob, received, { headers: { 'X-Subscription-Protocol': protocol } });
        const browser = await listen(t, bob, channel, family);
        await ada.ask(bob, `${protocol} for ${family}?`);
        const events = await browser.received(Object.keys(keys[protocol]).length);
        const [{ data }] = events;
        assert.deepEqual(Object.fromEntries(events.map((event) => [event.name, Object.keys(event.data)])), keys[protocol]);
        for (const event of events) assert.deepEqual(event.data.result, data.result);
        if (protocol === 'lighthouse-echo') assert.deepEqual([data.data, data.channel], [data.result, channel]);
      });
    }
  }
});

scenario('each field delivers the events of its name to the people concerned', async (t) => {
  const server = await startServer(t);
  const [ada, bob, eve] = await signUpAll(server, 'Ada', 'Bob', 'Eve');
  const fields = {
    knowledgeRequestReceived: 'question requester { name }',
    knowledgeRequestAnswered: 'question status responseContent',
    notificationReceived: 'kind request { question }',
    knowledgePublished: 'title content owner { name }',
    viewerActed: 'question',
  };
  const people = { ada, bob, eve };
  const browsers = {};
  for (const [who, person] of Object.entries(people)) {
    browsers[who] = {};
    for (const [field, selection] of Object.entries(fields)) {
      const { channel } = await subscribe(person, `subscription { ${field} { ${selection} } }`);
      browsers[who][field] = await listen(t, person, channel);
    }
  }

  /** happens makes each kind of event happen once between two people. */
  const happens = async (asker, owner, number) => {
    await owner.createKnowledge(`Item ${number}`, `Content ${number}`);
    const { knowledgeRequest: { id } } = await asker.ask(owner, `Question ${number}?`);
    await owner.answer(id, 'APPROVED', `Answer ${number}`);
  };
  await happens(ada, bob, 1);
  await happens(bob, eve, 2);
  await happens(eve, ada, 3); // a fence for each

  const asked = (n, name) => ({ question: `Question ${n}?`, requester: { name } });
  const answered = (n) => ({ question: `Question ${n}?`, status: 'APPROVED', responseContent: `Answer ${n}` });
  const notified = (kind, n) => ({ kind: `KNOWLEDGE_${kind}`, request: { question: `Question ${n}?` } });
  const acted = (...numbers) => numbers.map((n) => ({ question: `Question ${n}?` }));
  const published = (viewer) => [['Bob', 1], ['Eve', 2], ['Ada', 3]].map(([name, n]) => ({
    title: `Item ${n}`, content: name === viewer ? `Content ${n}` : null, owner: { name },
  }));
  const expected = {
    ada: [[asked(3, 'Eve')], [answered(1)], [notified('RESPONSE', 1), notified('REQUEST', 3)], published('Ada'), acted(1, 3)],
    bob: [[asked(1, 'Ada')], [answered(2)], [notified('REQUEST', 1), notified('RESPONSE', 2)], published('Bob'), acted(1, 2)],
    eve: [[asked(2, 'Bob')], [answered(3)], [notified('REQUEST', 2), notified('RESPONSE', 3)], published('Eve'), acted(2, 3)],
  };
  for (const who of Object.keys(people)) {
    for (const [i, field] of Object.keys(fields).entries()) {
      await t.test(`${field}, to ${people[who].name}`, async () => {
        await browsers[who][field].received(expected[who][i].length);
        const results = resultsOf(browsers[who][field], field);
        if (field === 'viewerActed') results.sort((a, b) => a.question.localeCompare(b.question)); // it has no order
        assert.deepEqual(results, expected[who][i]);
      });
    }
  }
});
