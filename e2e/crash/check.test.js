import assert from 'node:assert/strict';
import test from 'node:test';

import { check, rules } from './check.js';

/**
 * sound returns a history that breaks no rule: Ada asks Bob three times, he answers once, and in between is a kill.
 */
function sound() {
  const mutation = (kind, n, by, to, sentAt, requestId) => ({
    kind, text: `${kind} ${n}`, by, to, sentAt, answeredAt: sentAt + 5, requestId, rejected: false, settledAt: 9_000,
  });
  const request = (id, more) => (
    { id, question: `ask ${id}`, responseContent: null, requester: 'Ada', owner: 'Bob', status: 'PENDING', ...more }
  );
  const event = (recipient, key, text, eventId, at) => (
    { recipient, key, text, eventId, data: `data of ${eventId}`, at }
  );
  const deliveries = [
    event('Bob', 'knowledge-request:1', 'ask 1', '101', 110),
    event('Ada', 'knowledge-response:1', 'answer 1', '102', 210),
    event('Bob', 'knowledge-request:2', 'ask 2', '103', 1_010),
    event('Bob', 'knowledge-request:2', 'ask 2', '103', 1_500), // repeated after the crash
    event('Bob', 'knowledge-request:3', 'ask 3', '104', 2_010),
  ];
  const results = (...those) => those.map(([key, seq, at]) => ({ key, seq, at }));
  const subscription = { from: 50, to: Infinity, joins: [60], ended: false };
  return {
    mutations: [
      mutation('ask', 1, 'Ada', 'Bob', 100, '1'), mutation('answer', 1, 'Bob', 'Ada', 200, '1'),
      mutation('ask', 2, 'Ada', 'Bob', 1_000, '2'), mutation('ask', 3, 'Ada', 'Bob', 2_000, '3'),
      { ...mutation('ask', 4, 'Ada', 'Bob', 1_098), answeredAt: null, requestId: undefined }, // cut off, and absent
    ],
    requests: [request('1', { status: 'APPROVED', responseContent: 'answer 1' }), request('2'), request('3')],
    notifications: deliveries.filter((d) => d.at !== 1_500)
      .map(({ recipient, key, eventId }) => ({ recipient, key, id: eventId })),
    deliveries,
    listening: [{ recipient: 'Ada', from: 10, to: Infinity }, { recipient: 'Bob', from: 10, to: Infinity }],
    faults: [{ what: 'server', at: 1_100, back: 1_200 }],
    subscriptions: [
      {
        ...subscription, name: 'received', person: 'Bob', field: 'knowledgeRequestReceived',
        results: results(
          ['knowledge-request:1', 101, 110], ['knowledge-request:2', 103, 1_010],
          ['knowledge-request:1', 101, 1_400], ['knowledge-request:2', 103, 1_401], // repeated
          ['knowledge-request:3', 104, 2_010],
        ),
      },
      {
        ...subscription, name: 'answered', person: 'Ada', field: 'knowledgeRequestAnswered',
        results: results(['knowledge-response:1', 102, 210]),
      },
    ],
  };
}

/** manyMissed adds requests for which a subscription got a gap. */
function manyMissed(history, n) {
  for (let i = 0; i < n; i += 1) {
    const id = `${1_000 + i}`;
    const times = { sentAt: 1_010 + i, answeredAt: 1_011 + i, settledAt: 9_000 };
    history.mutations.push({ ...history.mutations[0], text: `ask ${id}`, requestId: id, ...times });
    history.requests.push({ ...history.requests[1], id, question: `ask ${id}` });
    const key = `knowledge-request:${id}`;
    const eventId = `${1_010 + i}`;
    history.notifications.push({ recipient: 'Bob', key, id: eventId });
    history.deliveries.push({ recipient: 'Bob', key, text: `ask ${id}`, eventId, data: eventId, at: 1_300 + i });
  }
  history.deliveries = history.deliveries.filter(({ at }) => at !== 1_500).sort((a, b) => a.at - b.at);
  const [{ results }] = history.subscriptions;
  const last = { key: 'knowledge-request:3', seq: 1_104, at: 2_010 };
  results.splice(1, results.length, { gap: true, seq: 1_100, at: 1_400 }, last);
  for (const d of [...history.deliveries, ...history.notifications]) {
    if (d.key === 'knowledge-request:3') Object.assign(d, d.id ? { id: '1104' } : { eventId: '1104' });
  }
}

const absent = 'knowledge-request:4';
const find = (list, key) => list.find((one) => one.key === key);
const remove = (list, key) => list.splice(0, list.length, ...list.filter((one) => one.key !== key));
const swap = (list, i, j, ...names) => {
  for (const name of names) [list[i][name], list[j][name]] = [list[j][name], list[i][name]];
};

// By rule: changes that break it in the sound history. Other rules may notice them as well.
const violations = {
  'an answered mutation is there': {
    'an answered question is gone': (h) => h.requests.pop(),
    'an answered answer is gone': (h) => Object.assign(h.requests[0], { responseContent: null, status: 'PENDING' }),
    'a question has another id': (h) => { h.mutations[0].requestId = '2'; },
  },
  'a rejected mutation changed nothing': {
    'it did all the same': (h) => Object.assign(h.mutations[3], { rejected: true, answeredAt: null }),
  },
  'a request in the database was made by somebody': {
    'a request from nowhere': (h) => h.requests.push({ ...h.requests[1], id: '9', question: 'who?' }),
    'an answer from nowhere': (h) => Object.assign(h.requests[1], { status: 'DENIED', responseContent: 'who?' }),
  },
  'no event is lost': {
    'it did not come, to one who listened': (h) => remove(h.deliveries, 'knowledge-request:3'),
    'it neither came nor can be read': (h) => {
      h.listening[1] = { recipient: 'Bob', from: 10, to: 1_100 };
      remove(h.deliveries, 'knowledge-request:3');
      remove(h.notifications, 'knowledge-request:3');
    },
    'its mutation was done and not answered': (h) => h.requests.push({ ...h.requests[1], id: '4', question: 'ask 4' }),
  },
  'each event is one notification': {
    'it has none': (h) => remove(h.notifications, 'knowledge-request:3'),
    'it has two': (h) => h.notifications.push({ ...h.notifications[0], id: '109' }),
    'it is somebody else\'s': (h) => { h.notifications[0].recipient = 'Ada'; },
  },
  'no event of an absent mutation': {
    'it came': (h) => h.deliveries.push({ ...h.deliveries[0], key: absent, text: 'ask 4', eventId: '105', at: 3_000 }),
    'it has a notification': (h) => h.notifications.push({ recipient: 'Bob', key: 'knowledge-request:4', id: '105' }),
    'another text': (h) => { h.deliveries[0].text = 'ask 7'; },
    'another recipient': (h) => { h.deliveries[0].recipient = 'Ada'; },
  },
  'the order is kept for each recipient': {
    'the earlier one came later, before the crash': (h) => {
      h.deliveries.unshift({ ...h.deliveries[2], at: 105 });
    },
    'the earlier one came only after the crash': (h) => {
      remove(h.deliveries, 'knowledge-request:1');
      h.deliveries.splice(2, 0, { ...sound().deliveries[0], at: 1_450 });
    },
    'it came later to one who joined only then': (h) => {
      h.listening[1].from = 1_300;
      h.deliveries.push({ ...h.deliveries[0], at: 3_000 });
      h.deliveries.shift();
    },
    'it has a higher eventId': (h) => {
      swap(h.deliveries, 0, 4, 'eventId');
      swap(h.notifications, 0, 3, 'id');
    },
  },
  'a repeat has the same eventId': {
    'it has another one': (h) => { h.deliveries[3].eventId = '109'; },
    'it has another text': (h) => { h.deliveries[3].data = '{}'; },
    'two events share one': (h) => { h.deliveries[4].eventId = '103'; },
    'not that of the notification': (h) => { h.notifications[0].id = '109'; },
  },
  'nothing old is repeated': {
    'it was delivered long before the crash': (h) => h.deliveries.splice(3, 0, { ...h.deliveries[0], at: 1_450 }),
    'there was no crash': (h) => h.deliveries.push({ ...h.deliveries[4], at: 2_500 }),
    'delivered before the crash before': (h) => {
      h.faults.push({ at: 3_000, back: 3_100 });
      h.deliveries.push({ ...h.deliveries[3], at: 3_200 });
    },
  },
  'a subscription gets every result, or one gap': {
    'it lacks one': (h) => remove(h.subscriptions[0].results, 'knowledge-request:3'),
    'it lacks one after a gap': (h) => {
      manyMissed(h, 60);
      remove(h.subscriptions[0].results, 'knowledge-request:3');
    },
    'it was ended': (h) => { h.subscriptions[0].ended = true; },
  },
  'a gap has a reason': {
    'it missed too little': (h) => manyMissed(h, 20),
    'there was no crash': (h) => {
      manyMissed(h, 60);
      h.faults[0] = { at: 5_000, back: 5_100 };
      h.subscriptions[0].from = 1_350;
    },
    'it missed nothing in the last two minutes': (h) => {
      manyMissed(h, 60);
      h.faults.push({ what: 'server', at: 249_000, back: 249_100 });
      h.subscriptions[0].results.push({ gap: true, seq: 1_104, at: 249_200 });
    },
    'two for one crash': (h) => {
      manyMissed(h, 60);
      h.subscriptions[0].results.splice(2, 0, { gap: true, seq: 1_101, at: 1_450 });
    },
  },
  'results come in order of seq': {
    'the earlier one is last': (h) => {
      const { results } = h.subscriptions[0];
      results.splice(0, 4, results[1]);
      results.push({ ...sound().subscriptions[0].results[0], at: 2_100 });
    },
    'without a seq': (h) => { h.subscriptions[0].results[0].seq = undefined; },
    'two have the same one': (h) => { h.subscriptions[0].results[4].seq = 103; },
  },
  'one event has one seq': {
    'the repeat has another one': (h) => { h.subscriptions[0].results[3].seq = 108; },
  },
  'results are of what happened': {
    'it did not': (h) => h.subscriptions[0].results.push({ key: 'knowledge-request:4', seq: 105, at: 2_100 }),
    'it is another field\'s': ({ subscriptions }) => subscriptions[0].results.push(subscriptions[1].results[0]),
    'it is an error': (h) => h.subscriptions[0].results.push({ key: 'errors [{}]', seq: 105, at: 2_100 }),
  },
  'results keep the order of the mutations': {
    'the numbers are exchanged': (h) => {
      const { results } = h.subscriptions[0];
      results.splice(2, 2);
      swap(results, 0, 1, 'key');
    },
  },
  'a result is repeated for a reason, and within two minutes': {
    'there was no crash': (h) => {
      const { results } = h.subscriptions[0];
      results.push({ ...results[4], at: 2_500 });
    },
    'it is too old': (h) => {
      const { results } = h.subscriptions[0];
      h.faults.push({ at: 200_000, back: 200_100 });
      results.push({ ...results[4], at: 200_200 });
    },
  },
};

const rulesBrokenBy = (history, options) => new Set(check(history, options).problems.map(({ rule }) => rule));

test('a sound history breaks no rule', () => {
  const { problems, counts } = check(sound());
  assert.deepEqual(problems, []);
  assert.deepEqual(counts, {
    kills: 1, mutations: 5, answered: 4, unanswered: 1, unansweredYetDone: 0,
    events: 4, delivered: 4, lost: 0, repeats: 1, oldestRepeat: 90,
    subscriptions: 2, results: 6, gaps: 0, resultRepeats: 2, oldestResultRepeat: 990,
  });
});

test('what a crash may do breaks no rule', async (t) => {
  const allowed = {
    'nobody listened, and it can be read': (h) => {
      h.listening[1] = { recipient: 'Bob', from: 10, to: 1_990 };
      remove(h.deliveries, 'knowledge-request:3');
    },
    'data in transit arrives after the kill': (h) => { h.deliveries[2].at = 1_150; },
    'a gap instead of many': (h) => manyMissed(h, 60),
    'a gap for what is old, where each server was killed within two minutes': (h) => {
      manyMissed(h, 20);
      for (let at = 99_000; at < 250_000; at += 50_000) h.faults.push({ what: 'server', at, back: at + 100 });
      const [{ results }] = h.subscriptions;
      results.splice(1, results.length, { gap: true, seq: 1_104, at: 249_000 });
    },
    'an unanswered mutation that was done': (h) => {
      h.requests.push({ ...h.requests[1], id: '4', question: 'ask 4' });
      find(h.deliveries, 'knowledge-request:3').eventId = find(h.notifications, 'knowledge-request:3').id = '105';
      h.deliveries.splice(4, 0, { ...h.deliveries[3], key: absent, text: 'ask 4', eventId: '104', at: 1_600 });
      h.notifications.push({ recipient: 'Bob', key: 'knowledge-request:4', id: '104' });
      const [{ results }] = h.subscriptions;
      results[4].seq = 105;
      results.splice(4, 0, { key: absent, seq: 104, at: 1_600 });
    },
    'what nobody heard is sent again after what came live, and a second crash': (h) => {
      // These were sent at 1,300, before Bob had joined again; 2 was delivered live. Both are sent again after
      // another crash.
      const bobs = (from, to) => ({ recipient: 'Bob', from, to });
      h.listening = [h.listening[0], bobs(10, 1_000), bobs(1_350, 1_600), bobs(1_750, Infinity)];
      h.mutations[2].sentAt = 1_395;
      h.mutations[2].answeredAt = 1_398;
      const [one, answer, two, , three] = h.deliveries;
      h.faults.push({ at: 1_600, back: 1_700 });
      h.deliveries = [answer, { ...two, at: 1_500 }, { ...one, at: 1_800 }, { ...two, at: 1_801 }, three];
      h.subscriptions.length = 0;
    },
  };
  for (const [what, change] of Object.entries(allowed)) {
    await t.test(what, () => {
      const history = sound();
      change(history);
      assert.deepEqual(check(history).problems, []);
    });
  }
});

test('each rule can be broken, and is reported then', async (t) => {
  assert.deepEqual(Object.keys(violations), Object.keys(rules), 'one entry for each rule');
  for (const [rule, those] of Object.entries(violations)) {
    for (const [what, change] of Object.entries(those)) {
      await t.test(`${rule}: ${what}`, () => {
        const history = sound();
        change(history);
        const broken = rulesBrokenBy(history);
        assert.ok(broken.has(rule), `broken are only: ${[...broken].join('; ') || 'none'}`);
      });
    }
  }
});

test('the results of a field may have no order', () => {
  const rule = 'results come in order of seq';
  const history = sound();
  violations[rule]['the earlier one is last'](history);
  assert.ok(rulesBrokenBy(history, { unordered: ['viewerActed'] }).has(rule));
  assert.ok(!rulesBrokenBy(history, { unordered: ['knowledgeRequestReceived'] }).has(rule));
});

test('how old a repeat may be can be set', () => {
  const rule = 'nothing old is repeated';
  assert.ok(!rulesBrokenBy(sound(), { repeatsWithin: 90 }).has(rule));
  assert.ok(rulesBrokenBy(sound(), { repeatsWithin: 89 }).has(rule));
});
