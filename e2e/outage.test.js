import assert from 'node:assert/strict';

import { openBrowser } from './harness/browser.js';
import { startGated } from './harness/gated.js';
import { signUpAll } from './harness/person.js';
import { scenario } from './harness/setups.js';
import { quantile, Traffic } from './harness/traffic.js';

const calm = 10_000;
const outage = 20_000;

// A mutation takes some milliseconds. One that waited for Pusher would take 100 ms (the first retry) to 5 s (a
// timeout) more, far beyond both bounds. One with more work of its own would show in the median. The bounds leave
// room for other work of a machine with two cores and one disk, which the p95 shows more.
const bounds = [
  { q: 0.5, factor: 2, slack: 10 },
  { q: 0.95, factor: 5, slack: 100 },
];

scenario('without Pusher for a minute nothing is lost, out of order, or slower', async (t) => {
  const { server, gate } = await startGated(t);
  const people = await signUpAll(server, 'Ada', 'Bob', 'Eve', 'Kim');
  const browsers = new Map();
  for (const person of people) browsers.set(person, await openBrowser(t, person));
  const arrived = () => [...browsers.values()].reduce((sum, b) => sum + b.events.length, 0);

  const traffic = new Traffic(people);
  await traffic.flow(1_000); // for everything that is slow only once
  const before = await traffic.flow(calm);
  await everythingArrives();

  for (const [mode, what] of [['refuse', 'refuses connections'], ['fail', 'answers 500'], ['hang', 'hangs']]) {
    await t.test(`while Pusher ${what} mutations are as fast as before`, async () => {
      await gate.set(mode);
      const events = arrived();
      const during = await traffic.flow(outage);
      if (mode !== 'refuse') assert.ok(gate.calls[mode] > 0, 'the relay keeps trying');
      assert.equal(arrived(), events, 'the gate is shut');
      assert.ok(during.length > 300, `only ${during.length} mutations: this shows nothing`);
      for (const { q, factor, slack } of bounds) {
        const [was, is] = [quantile(before, q), quantile(during, q)];
        const figures = `quantile ${q} of ${during.length} mutations: ${is.toFixed(1)} ms, before ${was.toFixed(1)} ms`;
        t.diagnostic(`${mode}: ${figures}`);
        assert.ok(is < was * factor + slack, figures);
      }
    });
  }

  await t.test('afterwards every event arrives', async () => {
    const open = performance.now();
    await gate.set('pass');
    await traffic.flow(1_000);
    await everythingArrives();
    const took = Math.round(performance.now() - open);
    t.diagnostic(`all ${traffic.mutations.length} events had arrived ${took} ms after Pusher was back`);
  });

  await t.test('in order for each recipient, and again only under the same eventId', () => {
    for (const person of people) assertOrder(person, browsers.get(person).events);
  });

  /** everythingArrives waits until each recipient has the event of each answered mutation. */
  async function everythingArrives() {
    for (const [person, browser] of browsers) {
      const expected = traffic.mutations.filter((m) => m.recipient === person);
      const missing = () => {
        const had = new Set(browser.events.map(keyOf));
        return expected.filter((m) => !had.has(keyOf({ name: m.kind, data: m })));
      };
      await browser.until(
        () => browser.events.length >= expected.length && missing().length === 0,
        `${expected.length} events arrive`,
        60_000,
      );
    }
  }

  /** assertOrder checks that an event comes first if its mutation was answered before the other was sent. */
  function assertOrder(person, events) {
    const mutations = new Map(traffic.mutations.map((m) => [keyOf({ name: m.kind, data: m }), m]));
    const ids = new Map();
    let latest = 0; // when the last of the mutations so far was sent
    for (const event of events) {
      const key = keyOf(event);
      const repeat = ids.has(key);
      assert.equal(event.data.eventId, ids.get(key) ?? event.data.eventId, `${key} came again under another eventId`);
      ids.set(key, event.data.eventId);
      const mutation = mutations.get(key);
      assert.equal(mutation?.recipient, person, `${key} is for somebody else`);
      if (repeat) continue;
      assert.ok(mutation.answeredAt > latest, `${key} came after one that was asked for after its answer`);
      latest = Math.max(latest, mutation.sentAt);
    }
    assert.equal(new Set(ids.values()).size, ids.size, 'an eventId is of one event');
  }
});

const keyOf = ({ name, data }) => `${name} ${data.requestId}`;
