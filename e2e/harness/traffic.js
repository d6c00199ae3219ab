const pace = 150; // milliseconds between two mutations of one person

/** Traffic is people who ask and answer each other at a steady pace. It records each mutation that succeeded. */
export class Traffic {
  mutations = []; // { kind, requestId, recipient, sentAt, answeredAt }, in the order of their answers
  #unanswered = new Map(); // requests by their owner
  #asked = 0;

  constructor(people) {
    this.people = people;
    for (const person of people) this.#unanswered.set(person, []);
  }

  /** flow runs the traffic for a while and returns the mutations of that time. It fails if one of them fails. */
  async flow(milliseconds) {
    const before = this.mutations.length;
    const start = performance.now();
    await Promise.all(this.people.map(async (person, i) => {
      for (let due = start + (i * pace) / this.people.length; due < start + milliseconds; due += pace) {
        await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
        await this.#act(person);
      }
    }));
    return this.mutations.slice(before);
  }

  /** #act answers the oldest request every other time, or else asks the next person. */
  async #act(person) {
    this.#asked += 1;
    const oldest = this.#asked % 2 === 0 && this.#unanswered.get(person).shift();
    if (oldest) {
      await this.#measure('knowledge-response', oldest.from, async () => {
        await person.answer(oldest.id, this.#asked % 3 === 0 ? 'DENIED' : 'APPROVED', `an answer to ${oldest.id}`);
        return oldest.id;
      });
      return;
    }
    const others = this.people.filter((other) => other !== person);
    const whom = others[this.#asked % others.length];
    const id = await this.#measure('knowledge-request', whom, async () => (
      (await person.ask(whom, `question ${this.#asked}`)).knowledgeRequest.id
    ));
    this.#unanswered.get(whom).push({ id, from: person });
  }

  async #measure(kind, recipient, mutate) {
    const sentAt = performance.now();
    const requestId = await mutate();
    this.mutations.push({ kind, requestId: Number(requestId), recipient, sentAt, answeredAt: performance.now() });
    return requestId;
  }
}

/** quantile returns a quantile of the durations of mutations, in milliseconds. */
export function quantile(mutations, q) {
  const took = mutations.map((m) => m.answeredAt - m.sentAt).sort((a, b) => a - b);
  return took[Math.min(took.length - 1, Math.floor(took.length * q))];
}
