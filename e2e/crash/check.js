/**
 * check reads the history of one database and returns the broken promises, and counts of what it checked. It knows
 * neither sockets nor servers. Times are milliseconds of one steady clock. The history is:
 *
 *   mutations      { kind: 'ask' | 'answer', text, by, to, sentAt, answeredAt, requestId, rejected, settledAt }:
 *                  `text` is unique; answeredAt is null if the connection broke; settledAt is when its
 *                  round was over
 *   requests       { id, question, responseContent, requester, owner, status }: as GraphQL has them after the round
 *   notifications  { recipient, id, key }: likewise
 *   deliveries     { recipient, key, text, eventId, data, at }: the events on people's channels, as they arrived
 *   listening      { recipient, from, to }: when a person's channel was joined
 *   faults         { what, at, back }: when the server or Pusher was killed, or their connection was cut, and
 *                  when it was back
 *   subscriptions  { name, person, field, from, to, joins, ended, results: [{ key, seq, gap, at }] }: joins are the
 *                  moments when its channel was joined
 *
 * Options: `repeatsWithin` is how many milliseconds before a crash an event may have been delivered that is delivered
 * again. `unordered` are the fields of subscriptions whose results need no order.
 *
 * A key names an event: 'knowledge-request:ID' or 'knowledge-response:ID', of a request's id.
 */
export function check(history, { repeatsWithin = 200, unordered = [] } = {}) {
  const state = new State(history);
  const problems = [];
  for (const [rule, find] of Object.entries(rules)) {
    for (const what of find(state, { repeatsWithin, unordered })) problems.push({ rule, what });
  }
  return { problems, counts: count(state, problems) };
}

// How far a subscription is rewound, and how late the database may know of what was sent: docs/protocol.md.
const window = 120_000;
const writeDelay = 10_000; // milliseconds: twice the interval between two writes
const maxMissed = 50;

export const lost = 'no event is lost';
export const incomplete = 'a subscription gets every result, or one gap';

export const keyOf = (kind, requestId) => `knowledge-${kind === 'ask' ? 'request' : 'response'}:${requestId}`;

/** eventsOf has, for each field of a subscription, a function that selects its person's events. */
const eventsOf = {
  knowledgeRequestReceived: (event, person) => event.kind === 'ask' && event.to === person,
  knowledgeRequestAnswered: (event, person) => event.kind === 'answer' && event.to === person,
  notificationReceived: (event, person) => event.to === person,
  viewerActed: (event, person) => event.by === person,
};
export const fields = Object.keys(eventsOf);

/** State is a history with indexes for the rules. */
class State {
  constructor(history) {
    Object.assign(this, history);
    this.requestOf = new Map(this.requests.map((request) => [request.id, request]));
    const askedWith = new Map(this.requests.map((request) => [request.question, request]));
    this.events = new Map(); // by key: what was committed, with its mutation
    for (const mutation of this.mutations) {
      const request = mutation.kind === 'ask' ? askedWith.get(mutation.text) : this.requestOf.get(mutation.requestId);
      const done = request && (mutation.kind === 'ask' || request.responseContent === mutation.text);
      mutation.done = Boolean(done);
      if (!done) continue;
      const key = keyOf(mutation.kind, request.id);
      this.events.set(key, { ...mutation, key });
    }
    this.deliveriesOf = group(this.deliveries, (d) => d.key);
    this.listeningOf = group(this.listening, (l) => l.recipient);
    this.notified = group(this.notifications, (n) => n.key);
  }

  #eventsOf = new Map();

  /** eventsOf returns the events of a subscription. */
  eventsOf({ field, person }) {
    const key = `${field} ${person}`;
    if (!this.#eventsOf.has(key)) {
      this.#eventsOf.set(key, [...this.events.values()].filter((event) => eventsOf[field](event, person)));
    }
    return this.#eventsOf.get(key);
  }

  /**
   * confirmedBefore returns the time until which the server, at a moment, takes sent results as received. It does so
   * two minutes after sending, so a server that is killed earlier leaves the time of its predecessor.
   */
  confirmedBefore(moment) {
    let [confirmed, back] = [-Infinity, -Infinity];
    for (const { at, back: next } of [...this.faults.filter(({ what }) => what === 'server'), { at: moment }]) {
      if (at > moment) break;
      if (at - back > window + writeDelay) confirmed = at - window - writeDelay;
      back = next;
    }
    return confirmed;
  }

  /** causesOf returns the faults after which a subscription may get repeats. */
  causesOf({ joins }) {
    return [...this.faults, ...joins.map((at) => ({ at, back: at }))].sort((a, b) => a.at - b.at);
  }

  /** firstIn returns the first delivery of each key, with its event and its place in the order. */
  firstIn(deliveries) {
    const seen = new Set();
    return deliveries.flatMap((delivery, place) => {
      const event = this.events.get(delivery.key);
      if (!event || seen.has(delivery.key)) return [];
      seen.add(delivery.key);
      return [{ ...event, place, eventId: Number(delivery.eventId) }];
    });
  }
}

function group(list, keyOfOne) {
  const groups = new Map();
  for (const one of list) {
    const key = keyOfOne(one);
    if (groups.has(key)) groups.get(key).push(one);
    else groups.set(key, [one]);
  }
  return groups;
}

export const rules = {
  * 'an answered mutation is there'({ mutations, requestOf }) {
    for (const { kind, text, answeredAt, requestId, done } of mutations) {
      if (answeredAt === null) continue;
      if (!done) yield `${kind} ${text}, answered with request ${requestId}, is not in the database`;
      else if (kind === 'ask' && requestOf.get(requestId)?.question !== text) yield `${text} is not ${requestId}`;
    }
  },

  * 'a rejected mutation changed nothing'({ mutations }) {
    for (const { kind, text, rejected, done } of mutations) {
      if (rejected && done) yield `${kind} ${text} was rejected, and is in the database`;
    }
  },

  * 'a request in the database was made by somebody'({ events, requests }) {
    for (const { id, status } of requests) {
      if (!events.has(keyOf('ask', id))) yield `request ${id} is nobody's`;
      if (status !== 'PENDING' && !events.has(keyOf('answer', id))) yield `request ${id} is answered by nobody`;
    }
  },

  * [lost]({ events, deliveriesOf, listeningOf, notified }) {
    for (const { key, kind, text, to, sentAt, settledAt } of events.values()) {
      const listened = (listeningOf.get(to) ?? []).some((l) => l.from <= sentAt && l.to >= settledAt);
      const was = `${key} (${kind} ${text}, to ${to})`;
      if (listened && !deliveriesOf.has(key)) yield `${was} did not arrive, though its channel was joined`;
      else if (!deliveriesOf.has(key) && !notified.has(key)) yield `${was} neither arrived nor is in notifications`;
    }
  },

  * 'each event is one notification'({ events, notified }) {
    for (const { key, to } of events.values()) {
      const found = notified.get(key) ?? [];
      if (found.length !== 1) yield `${key} has ${found.length} notifications`;
      else if (found[0].recipient !== to) yield `${key} is a notification of ${found[0].recipient}, not of ${to}`;
    }
  },

  * 'no event of an absent mutation'({ events, deliveries, notifications }) {
    for (const { key, text, recipient } of deliveries) {
      const event = events.get(key);
      if (!event) yield `${key} (${text}) arrived, and its mutation is not in the database`;
      else if (event.text !== text) yield `${key} arrived with ${text} instead of ${event.text}`;
      else if (event.to !== recipient) yield `${key} arrived at ${recipient} instead of ${event.to}`;
    }
    for (const { key, id } of notifications) {
      if (!events.has(key)) yield `notification ${id} is of ${key}, which is not in the database`;
    }
  },

  * 'the order is kept for each recipient'(state) {
    const backs = state.faults.map(({ back }) => back).sort((a, b) => a - b);
    for (const [recipient, deliveries] of group(state.deliveries, (delivery) => delivery.recipient)) {
      // From one start to the next everything is sent in order. Events from a time without a listener may come later.
      for (const run of group(deliveries, ({ at }) => backs.findLast((back) => back <= at)).values()) {
        yield* disorder(state.firstIn(run), (event) => event.place, `at ${recipient} arrived`);
      }
      for (const { from, to } of state.listeningOf.get(recipient) ?? []) {
        const heard = state.firstIn(deliveries.filter(({ at }) => at >= from && at <= to));
        const since = heard.filter(({ sentAt }) => sentAt >= from);
        yield* disorder(since, (event) => event.place, `at ${recipient} arrived`);
      }
      yield* disorder(state.firstIn(deliveries), (event) => event.eventId, `at ${recipient} has an eventId`);
    }
  },

  * 'a repeat has the same eventId'({ deliveriesOf, notified }) {
    const keyOfId = new Map();
    for (const [key, those] of deliveriesOf) {
      const [{ eventId, data }] = those;
      const id = notified.get(key)?.[0].id ?? eventId;
      if (id !== eventId) yield `${key} has eventId ${eventId} and is notification ${id}`;
      if (keyOfId.has(eventId)) yield `eventId ${eventId} is that of ${key} and of ${keyOfId.get(eventId)}`;
      keyOfId.set(eventId, key);
      for (const again of those.slice(1)) {
        if (again.eventId !== eventId) yield `${key} came with eventId ${eventId}, and again with ${again.eventId}`;
        else if (again.data !== data) yield `${key} came again as ${again.data} instead of ${data}`;
      }
    }
  },

  * 'nothing old is repeated'(state, { repeatsWithin }) {
    for (const { key, age } of repeats(state)) {
      if (age === null) yield `${key} came again without a crash`;
      else if (age > repeatsWithin) yield `${key} came again, delivered ${age.toFixed(0)} ms before the crash`;
    }
  },

  * [incomplete](state) {
    for (const subscription of state.subscriptions) {
      const seen = new Set(subscription.results.map(({ key }) => key));
      for (const event of expected(state, subscription)) {
        const excused = subscription.results.some(({ gap, at }) => gap && at >= event.sentAt);
        if (!seen.has(event.key) && !excused) yield `${subscription.name} did not get ${event.key} (${event.text})`;
      }
      if (subscription.ended) yield `${subscription.name} was ended`;
    }
  },

  * 'a gap has a reason'(state) {
    for (const subscription of state.subscriptions) {
      let before = -Infinity;
      for (const { at } of subscription.results.filter(({ gap }) => gap)) {
        const cause = state.causesOf(subscription).findLast((each) => each.at <= at)?.at ?? -Infinity;
        const since = Math.max(state.confirmedBefore(cause), subscription.from);
        const missed = state.eventsOf(subscription).filter(({ sentAt }) => sentAt >= since && sentAt <= at);
        const old = missed.length > 0 && at - missed[0].sentAt > window;
        // Data in transit still arrives after a kill.
        const again = state.causesOf(subscription).some((each) => each.at <= at && each.back > before);
        if (!again) yield `${subscription.name} got a second gap for one reason`;
        const few = missed.length <= maxMissed && !old;
        if (few) yield `${subscription.name} got a gap instead of ${missed.length} results`;
        before = at;
      }
    }
  },

  * 'results come in order of seq'(state, { unordered }) {
    for (const { name, field, results } of state.subscriptions) {
      const keys = new Map();
      let newest = -Infinity;
      for (const { key, seq, gap } of results) {
        if (typeof seq !== 'number') yield `${name} got ${key ?? 'a gap'} without a seq`;
        if (gap || typeof seq !== 'number') continue;
        if (keys.has(seq) && keys.get(seq) !== key) yield `${name} got ${key} with the seq of ${keys.get(seq)}`;
        const late = !keys.has(seq) && seq < newest && !unordered.includes(field);
        if (late) yield `${name} got ${key} (${seq}) after ${newest}`;
        newest = Math.max(newest, seq);
        keys.set(seq, key);
      }
    }
  },

  * 'one event has one seq'({ subscriptions }) {
    const seqs = new Map();
    for (const { name, results } of subscriptions) {
      for (const { key, seq, gap } of results) {
        if (gap) continue;
        const other = seqs.get(key) ?? seq;
        if (other !== seq) yield `${name} got ${key} with seq ${seq}, and it has ${other}`;
        seqs.set(key, seq);
      }
    }
  },

  * 'results are of what happened'(state) {
    for (const subscription of state.subscriptions) {
      const own = new Set(state.eventsOf(subscription).map(({ key }) => key));
      for (const { key, gap } of subscription.results) {
        if (!gap && !own.has(key)) yield `${subscription.name} got ${key}, which is nothing of its own`;
      }
    }
  },

  * 'results keep the order of the mutations'(state) {
    for (const { name, results } of state.subscriptions) {
      const first = new Map();
      for (const { key, seq } of results) {
        if (state.events.has(key) && !first.has(key)) first.set(key, { ...state.events.get(key), seq });
      }
      yield* disorder([...first.values()], (event) => event.seq, `${name} has a seq`);
    }
  },

  * 'a result is repeated for a reason, and within two minutes'(state) {
    for (const { name, key, age } of resultRepeats(state)) {
      if (age === null) yield `${name} got ${key} again without a reason`;
      else if (age > window + writeDelay) yield `${name} got ${key} again, ${age.toFixed(0)} ms old`;
    }
  },
};

/** disorder finds events in the wrong order: the later one's mutation was answered before the other's was sent. */
function* disorder(events, placeOf, where) {
  const sorted = [...events].sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  let latest = null; // the last sent mutation of the events before, in this place
  for (const event of sorted) {
    const ahead = latest && event.answeredAt !== null ? latest.sentAt - event.answeredAt : 0; // milliseconds
    if (ahead > 0 && placeOf(latest) !== placeOf(event)) {
      yield `${event.key} ${where} after ${latest.key}, which was sent ${ahead.toFixed(1)} ms later`;
    }
    if (!latest || event.sentAt > latest.sentAt) latest = event;
  }
}

/** repeats returns the repeated deliveries, with the age of the first one at the crash, or null without a crash. */
function repeats({ deliveriesOf, faults }) {
  return [...deliveriesOf].flatMap(([key, those]) => those.slice(1).map((again, i) => (
    { key, age: ageOf(faults, those[i].at, those[i].at, again.at) }
  )));
}

/** ageOf returns the age of something from `first` at the fault between two deliveries, or null without a fault. */
function ageOf(faults, first, before, again) {
  // Data in transit still arrives after the kill.
  const fault = faults.find(({ at, back }) => back >= before && at <= again);
  return fault ? Math.max(0, fault.at - first) : null;
}

/** expected returns the events that a subscription must have received by now. */
function expected(state, subscription) {
  const { from, to } = subscription;
  return state.eventsOf(subscription).filter(({ sentAt, settledAt }) => sentAt >= from && settledAt <= to);
}

function* resultRepeats(state) {
  for (const subscription of state.subscriptions) {
    const causes = state.causesOf(subscription);
    const had = new Map();
    for (const { key, seq, gap, at } of subscription.results) {
      if (gap) continue;
      const before = had.get(seq);
      had.set(seq, { first: before?.first ?? at, last: at });
      if (!before) continue;
      yield { name: subscription.name, key, age: ageOf(causes, before.first, before.last, at) };
    }
  }
}

function count(state, problems) {
  const ages = repeats(state).map(({ age }) => age ?? 0);
  return {
    kills: state.faults.filter(({ what }) => what !== 'gate').length,
    mutations: state.mutations.length,
    answered: state.mutations.filter(({ answeredAt }) => answeredAt !== null).length,
    unanswered: state.mutations.filter(({ answeredAt, rejected }) => answeredAt === null && !rejected).length,
    unansweredYetDone: state.mutations.filter(({ answeredAt, done }) => answeredAt === null && done).length,
    events: state.events.size,
    delivered: state.deliveriesOf.size,
    lost: problems.filter(({ rule }) => rule === lost).length,
    repeats: ages.length,
    oldestRepeat: most(ages),
    ...countResults(state),
  };
}

function countResults(state) {
  const ages = [...resultRepeats(state)].map(({ age }) => age ?? 0);
  const results = state.subscriptions.flatMap((subscription) => subscription.results);
  return {
    subscriptions: state.subscriptions.length,
    results: results.filter(({ gap }) => !gap).length,
    gaps: results.filter(({ gap }) => gap).length,
    resultRepeats: ages.length,
    oldestResultRepeat: most(ages),
  };
}

const most = (list) => list.reduce((a, b) => Math.max(a, b), 0);

/** countSubscriptions counts the results of the subscriptions of a history. */
export const countSubscriptions = (history) => countResults(new State(history));
