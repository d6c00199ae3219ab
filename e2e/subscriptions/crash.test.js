import assert from 'node:assert/strict';

import Pusher from 'pusher-js';

import { signUpAll } from '../harness/person.js';
import { inBothSetups } from '../harness/setups.js';
import { onEnd } from '../harness/teardown.js';
import { Watch } from '../harness/wait.js';
import '../harness/timers.js';

const many = 1000;
const patience = 120_000; // with the race detector, on two cores

/**
 * Subscribers are many subscriptions of one person over one connection. No two are alike, so the server executes each
 * by itself.
 */
class Subscribers {
  results = new Map(); // by channel, in the order of their arrival
  joined = 0; // how often a channel was joined
  #watch = new Watch();

  constructor(person, { key, host, port, authEndpoint }) {
    this.person = person;
    this.pusher = new Pusher(key, {
      cluster: '', wsHost: host, wsPort: port, forceTLS: false,
      channelAuthorization: { endpoint: person.server.url + authEndpoint, headers: person.headers },
    });
  }

  /** gather registers all of them, a few at a time, and returns when they have joined. */
  async gather() {
    const numbers = Array.from({ length: many }, (_, i) => i).values();
    await Promise.all(Array.from({ length: 16 }, async () => {
      for (const i of numbers) this.join(await this.subscribe(i));
    }));
    await this.until(() => this.joined === many, 'all have joined');
  }

  async subscribe(i) {
    const response = await fetch(`${this.person.server.url}/graphql`, {
      method: 'POST',
      headers: { ...this.person.headers, 'Content-Type': 'application/json' },
      body: JSON.stringify({ query: `subscription { knowledgePublished { title${i}: title } }` }),
    });
    const { errors } = await response.json();
    assert.equal(errors, undefined);
    return response.headers.get('X-Subscription-ID');
  }

  join(name) {
    this.results.set(name, []);
    const channel = this.pusher.subscribe(name);
    channel.bind('pusher:subscription_succeeded', () => {
      this.joined += 1;
      this.#watch.changed();
    });
    channel.bind('update', ({ result, more }) => {
      assert.equal(more, true);
      this.results.get(name).push({ title: Object.values(result.data.knowledgePublished)[0], seq: result.extensions.subscription.seq });
      this.#watch.changed();
    });
  }

  /** countWith returns how many have a result with this title. */
  countWith(title) {
    return [...this.results.values()].filter((results) => results.some((result) => result.title === title)).length;
  }

  until(isTrue, what) {
    return this.#watch.until(isTrue, () => `${what}: ${this.joined} joined, ${this.pusher.connection.state}`, patience);
  }
}

inBothSetups(`kill -9 in the midst of ${many} subscribers: after the restart each has the update`, async (t, start) => {
  const server = await start(t, { SUBSCRIPTIONS_PER_PERSON: String(many) });
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const subscribers = new Subscribers(bob, await bob.query('realtime'));
  onEnd(t, () => subscribers.pusher.disconnect());
  await subscribers.gather();

  await ada.createKnowledge('Roots', 'deep');
  await subscribers.until(() => subscribers.countWith('Roots') > 0, 'the first one hears');
  await server.kill();
  const before = subscribers.countWith('Roots');
  t.diagnostic(`${before} of ${many} had heard when the server was killed`);
  assert.ok(before < many, 'it was killed before the last one');

  await server.start();
  await subscribers.until(() => subscribers.countWith('Roots') === many, 'each one hears');
  await ada.createKnowledge('Shoots', 'green');
  await subscribers.until(() => subscribers.countWith('Shoots') === many, 'each one hears what comes next');

  const seqs = { Roots: new Set(), Shoots: new Set() };
  for (const results of subscribers.results.values()) {
    for (const { title, seq } of results) seqs[title].add(seq);
    assert.deepEqual([...new Set(results.map(({ title }) => title))], ['Roots', 'Shoots'], 'in order');
    assert.equal(results.filter(({ title }) => title === 'Shoots').length, 1, 'what came after the crash came once');
  }
  assert.deepEqual([seqs.Roots.size, seqs.Shoots.size], [1, 1], 'a repeat has the same seq');
});
