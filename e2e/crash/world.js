import { setTimeout as pause } from 'node:timers/promises';

import { startGate } from '../harness/gate.js';
import { app, startPusher } from '../harness/pusher.js';
import { signUpAll } from '../harness/person.js';
import { startServer } from '../harness/server.js';
import { administrators, Administrator } from '../harness/subscription.js';
import { onEnd } from '../harness/teardown.js';
import { eventually } from '../harness/wait.js';
import { check, countSubscriptions, fields, incomplete, keyOf, lost } from './check.js';
import { Listener } from './listener.js';
import { graphql, Load, random } from './load.js';

const perCalm = 20; // greatest number of events in a round for a person who should never miss too many
const patience = 30_000; // for pending events after a crash, and some sweeps

const documents = {
  knowledgeRequestReceived: 'subscription { knowledgeRequestReceived { id } }',
  knowledgeRequestAnswered: 'subscription { knowledgeRequestAnswered { id } }',
  notificationReceived: 'subscription { notificationReceived { kind request { id } } }',
  viewerActed: 'subscription { viewerActed { id requester { id } } }',
};

const complaints = []; // allowed output of a server that is killed

const soon = (isTrue, what) => eventually(() => pause(5).then(isTrue), what);

/** planOf draws what happens in a round. Times are in milliseconds since its start, or durations. */
export function planOf(draw, separate) {
  const upTo = (n) => Math.floor(draw() * n);
  const plan = { before: 20 + upTo(900), down: upTo(200), after: 100 + upTo(300) };
  plan.pace = draw() < 0.5 ? 0 : 5 + upTo(40); // between two mutations of a worker
  if (draw() < 0.25) plan.second = upTo(200); // another crash this long after the restart
  if (!separate) return plan;
  const kind = draw();
  const from = Math.max(0, plan.before - 300 + upTo(400));
  if (kind < 0.35) plan.pusherKilled = { from, down: upTo(300) };
  else if (kind < 0.75) plan.gateShut = { from, down: 200 + upTo(500), mode: draw() < 0.5 ? 'refuse' : 'fail' };
  return plan;
}

/** World is one database with its people, which outlives every crash, and the history of all that happened. */
export class World {
  history = {
    mutations: [], broken: [], requests: [], notifications: [],
    deliveries: [], listening: [], faults: [], subscriptions: [],
  };
  rounds = 0;
  #load = new Load(this.history);
  #listeners = new Map();
  #up = Promise.resolve(); // resolves once the server runs again
  #fresh = []; // subscriptions of this round only
  #left = []; // the counts of the subscriptions of earlier rounds

  /** open starts a server and its people until the test ends. With `separate` its Pusher is a process of its own. */
  static async open(t, { separate, seed }) {
    const world = new World();
    Object.assign(world, { t, separate, random: random(seed), planned: random(seed) });
    const env = separate ? await world.#openPusher() : {};
    world.server = await startServer(t, { ...env, ...administrators, SUBSCRIPTION_SWEEP: '5s' });
    world.administrator = await Administrator.signUp(world.server);
    world.people = await signUpAll(world.server, 'Ada', 'Bob', 'Eve', 'Kim', 'Leo', 'Fay');
    world.calm = world.people.slice(3, 5);
    world.fay = world.people[5]; // sends only the fences that show the end of a round
    for (const person of world.people) await world.#listen(person);
    for (const person of [world.people[0], world.calm[0]]) await world.#subscribeToAll(person);
    return world;
  }

  /** #openPusher starts a Pusher that the server reaches through a gate, and returns the server's settings for it. */
  async #openPusher() {
    this.pusher = await startPusher(this.t);
    this.gate = await startGate(this.t, this.pusher.address);
    return { ...app, PUSHER_HOST: this.gate.address, PUSHER_SCHEME: 'http', PUSHER_PUBLIC_HOST: this.pusher.address };
  }

  /** round runs load with a crash and a restart in it. It returns what check finds in the history then. */
  async round(options) {
    this.rounds += 1;
    const begin = this.history.mutations.length;
    const plan = planOf(this.planned, this.separate);
    for (const person of [this.people[1], ...this.calm]) this.#fresh.push(...await this.#subscribeToAll(person));

    const load = this.#loadUntil(plan);
    const stop = load.stop;
    await this.#crash(plan);
    await pause(plan.after);
    stop();
    await load.done;
    await Promise.all([...this.#listeners.values()].map((listener) => listener.joined()));
    await this.#fences();
    await this.#read();

    const settledAt = performance.now();
    for (const mutation of this.history.mutations.slice(begin)) mutation.settledAt = settledAt;
    const result = await this.#settle(options);
    await this.#leave();
    this.#load.forget(); // a later answer would change requests that were already read
    return { ...result, counts: { ...result.counts, ...this.#countSubscriptions() }, plan };
  }

  async #crash(plan) {
    const meanwhile = [];
    if (plan.pusherKilled) meanwhile.push(this.#crashPusher(plan.pusherKilled));
    if (plan.gateShut) meanwhile.push(this.#shutGate(plan.gateShut));
    await pause(plan.before);
    await this.#crashServer(plan.down);
    if (plan.second !== undefined) {
      await pause(plan.second);
      await this.#crashServer(plan.down);
    }
    await Promise.all(meanwhile);
  }

  async #crashServer(down) {
    let back;
    this.#up = new Promise((resolve) => { back = resolve; });
    const fault = this.#fault('server');
    await this.server.kill(complaints);
    await pause(down);
    fault.back = performance.now();
    await this.server.start();
    back();
  }

  /**
   * #crashPusher blocks the server from the new Pusher until everybody has joined again, so that nothing may be
   * missing.
   */
  async #crashPusher({ from, down }) {
    await pause(from);
    const fault = this.#fault('pusher');
    await Promise.all([this.pusher.kill(), this.gate.set('refuse')]);
    await pause(down);
    this.pusher = await startPusher(this.t, this.pusher.address);
    await Promise.all([...this.#listeners.values()].map((listener) => listener.joined(listener.person.channel)));
    for (const listener of this.#listeners.values()) listener.intervals.at(-1).from = fault.at;
    fault.back = performance.now();
    await this.gate.set('pass');
  }

  /** #shutGate blocks the server from its Pusher, so that many events are pending. */
  async #shutGate({ from, down, mode }) {
    await pause(from);
    const fault = this.#fault('gate');
    await this.gate.set(mode);
    await pause(down);
    fault.back = performance.now();
    await this.gate.set('pass');
  }

  #fault(what) {
    const fault = { what, at: performance.now(), back: Infinity };
    this.history.faults.push(fault);
    return fault;
  }

  /** #loadUntil lets two workers of each person ask and answer until stop is called, also during crashes. */
  #loadUntil({ pace }) {
    let over = false;
    const left = new Map(this.calm.map((person) => [person, perCalm]));
    const workers = this.people.slice(0, 5).flatMap((person) => [person, person]);
    const busy = this.people.slice(0, 3);
    const work = async (person) => {
      while (!over) {
        await this.#up;
        const among = this.random() < 0.1 ? this.calm : busy;
        const whom = among[Math.floor(this.random() * among.length)];
        await this.#act(person, whom, left);
        await (pace ? pause(pace * this.random() * 2) : undefined);
      }
    };
    return { stop: () => { over = true; }, done: Promise.all(workers.map(work)) };
  }

  async #act(person, whom, left) {
    const allowed = (...those) => those.every((each) => (left.get(each) ?? 1) > 0);
    const use = (...those) => those.forEach((each) => left.has(each) && left.set(each, left.get(each) - 1));
    if (this.random() < 0.5 && allowed(person)) {
      use(person);
      if (await this.#load.answer(person, this.random() < 0.3 ? 'DENIED' : 'APPROVED')) return;
    }
    if (person === whom || !allowed(person, whom)) {
      await pause(5);
      return;
    }
    use(person, whom);
    await this.#load.ask(person, whom);
  }

  /**
   * #fences sends each person a question and an answer, and waits until both have arrived. Then everything before has
   * arrived, too.
   */
  async #fences() {
    await Promise.all(this.people.filter((person) => person !== this.fay).map(async (person) => {
      const { requestId } = await this.#load.ask(person, this.fay);
      const asked = await this.#load.ask(this.fay, person);
      await this.#load.answerTo({ id: requestId, from: person }, this.fay);
      const wanted = [keyOf('ask', asked.requestId), keyOf('answer', requestId)];
      await soon(() => wanted.every((key) => this.history.deliveries.some((delivery) => delivery.key === key)),
        () => `the last events arrive at ${person.name}`);
    }));
  }

  /**
   * #settle checks repeatedly for a while until nothing is missing, because subscriptions have no order among each
   * other.
   */
  async #settle(options) {
    const deadline = performance.now() + patience;
    for (;;) {
      const result = check(this.history, options);
      const pending = result.problems.some(({ rule }) => rule === lost || rule === incomplete);
      if (!pending) return result;
      if (performance.now() > deadline) return this.#explain(result);
      await pause(100);
    }
  }

  /** #explain adds the server's state of each subscription of this round that lacks something. */
  async #explain(result) {
    const stored = new Map((await this.administrator.newest()).map(({ channel, state }) => [channel, state]));
    for (const { subscription, channel } of this.#fresh) {
      for (const problem of result.problems.filter(({ rule }) => rule === incomplete)) {
        if (problem.what.startsWith(subscription.name)) problem.what += `; the server has it as ${stored.get(channel)}`;
      }
    }
    return result;
  }

  async #listen(person) {
    const listener = new Listener(person, await person.query('realtime'));
    onEnd(this.t, () => listener.close());
    this.#listeners.set(person, listener);
    await listener.join(person.channel, (name, text, at) => {
      const data = JSON.parse(text);
      this.history.deliveries.push({
        recipient: person.name, key: `${name}:${data.requestId}`, text: data.question ?? data.responseContent,
        eventId: data.eventId, data: text, at,
      });
    });
  }

  #subscribeToAll(person) {
    return Promise.all(fields.map((field) => this.#subscribe(person, field)));
  }

  async #subscribe(person, field) {
    const { channel, errors } = await graphql(person, documents[field]);
    if (!channel) throw new Error(`${person.name} cannot subscribe to ${field}: ${JSON.stringify(errors)}`);
    const subscription = {
      name: `${person.name}'s ${field} of round ${this.rounds}`, person: person.name, field,
      from: performance.now(), to: Infinity, joins: [], ended: false, results: [],
    };
    this.history.subscriptions.push(subscription);
    const listener = this.#listeners.get(person);
    await listener.join(channel, (name, text, at) => {
      const { result, more } = JSON.parse(text);
      if (!more) subscription.ended = true;
      if (result) subscription.results.push({ ...this.#resultOf(person, field, result), at });
    }, subscription.joins);
    return { subscription, channel, leave: () => listener.leave(channel) };
  }

  /**
   * #leave ends the subscriptions of this round after their check, because otherwise each round would take longer.
   */
  async #leave() {
    const fresh = this.#fresh.splice(0);
    for (const { leave } of fresh) leave();
    await this.administrator.endAll(fresh.map(({ channel }) => channel));
    const subscriptions = fresh.map(({ subscription }) => subscription);
    this.#left.push(countSubscriptions({ ...this.history, subscriptions }));
    this.history.subscriptions = this.history.subscriptions.filter((each) => !subscriptions.includes(each));
  }

  #countSubscriptions() {
    const sum = countSubscriptions(this.history);
    for (const { oldestResultRepeat, ...counts } of this.#left) {
      for (const [what, n] of Object.entries(counts)) sum[what] += n;
      sum.oldestResultRepeat = Math.max(sum.oldestResultRepeat, oldestResultRepeat);
    }
    return sum;
  }

  #resultOf(person, field, { data, errors, extensions }) {
    const seq = extensions?.subscription?.seq;
    if (errors?.length === 1 && errors[0].extensions.code === 'SUBSCRIPTION_GAP') return { gap: true, seq };
    if (errors) return { key: `errors ${JSON.stringify(errors)}`, seq };
    const value = data[field];
    const kind = {
      knowledgeRequestReceived: () => 'ask',
      knowledgeRequestAnswered: () => 'answer',
      notificationReceived: () => (value.kind === 'KNOWLEDGE_REQUEST' ? 'ask' : 'answer'),
      viewerActed: () => (value.requester.id === person.id ? 'ask' : 'answer'),
    }[field]();
    return { key: keyOf(kind, value.request?.id ?? value.id), seq };
  }

  /** #read adds the requests and notifications since the last round to the history. */
  async #read() {
    const { requests, notifications } = this.history;
    const nameOf = new Map(this.people.map(({ id, name }) => [id, name]));
    this.history.listening = this.people.flatMap((person) => (
      this.#listeners.get(person).intervals.map((interval) => ({ recipient: person.name, ...interval }))
    ));
    const known = new Set([...requests, ...notifications].map(({ id }) => id));
    for (const person of this.people) {
      const sent = await this.#newest(person, 'knowledgeRequests(box: SENT, first: 100, after: $after)',
        'id question status responseContent owner { id }', known);
      requests.push(...sent.map(({ owner, ...node }) => (
        { ...node, requester: person.name, owner: nameOf.get(owner.id) }
      )));
      const came = await this.#newest(person, 'notifications(first: 100, after: $after)',
        'id kind request { id }', known);
      notifications.push(...came.map(({ id, kind, request }) => (
        { recipient: person.name, id, key: keyOf(kind === 'KNOWLEDGE_REQUEST' ? 'ask' : 'answer', request.id) }
      )));
    }
  }

  /** #newest reads a list page by page, from the newest entry to the first known one. */
  async #newest(person, field, selection, known) {
    const query = `query ($after: Cursor) { list: ${field} {
      pageInfo { hasNextPage endCursor } edges { node { ${selection} } } } }`;
    const nodes = [];
    for (let after = null; ;) {
      const { data, errors } = await graphql(person, query, { after });
      if (errors) throw new Error(`${field} of ${person.name}: ${JSON.stringify(errors)}`);
      const { edges, pageInfo } = data.list;
      const fresh = edges.map(({ node }) => node).filter(({ id }) => !known.has(id));
      nodes.push(...fresh);
      if (fresh.length < edges.length || !pageInfo.hasNextPage) return nodes;
      after = pageInfo.endCursor;
    }
  }
}
