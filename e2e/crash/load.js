import http from 'node:http';

/** random returns a generator of numbers in [0, 1) that depends only on the seed (mulberry32). */
export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6D2B79F5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const agent = new http.Agent({ keepAlive: true });

/**
 * graphql sends an operation over a reused connection, and returns the answer with its channel. It never retries. It
 * rejects if the connection breaks before the whole answer is there.
 */
export function graphql(person, query, variables) {
  const body = JSON.stringify({ query, variables });
  const headers = { ...person.headers, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const request = http.request(`${person.server.url}/graphql`, { method: 'POST', headers, agent }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk)).on('error', reject).on('end', () => {
        const channel = response.headers['x-subscription-id'];
        try {
          resolve({ ...JSON.parse(Buffer.concat(chunks)), status: response.statusCode, channel });
        } catch (error) {
          reject(error);
        }
      });
    });
    request.once('error', reject).end(body);
  });
}

const askMutation = `mutation ($input: CreateKnowledgeRequestInput!) {
  createKnowledgeRequest(input: $input) { alreadyExists knowledgeRequest { id } }
}`;
const answerMutation = `mutation ($input: RespondToRequestInput!) {
  respondToRequest(input: $input) { knowledgeRequest { id } }
}`;

/** Load sends mutations and writes each into the history, with its outcome if it is known. */
export class Load {
  #texts = 0;
  #open = new Map(); // by owner: requests that nobody has begun to answer

  constructor(history) {
    this.history = history;
  }

  /** ask returns the mutation, whatever its outcome. */
  async ask(by, to) {
    const text = `question ${this.#texts += 1}`;
    const mutation = await this.#send({ kind: 'ask', text, by, to }, askMutation, { ownerId: to.id, question: text });
    if (mutation.requestId) this.#requestsTo(to).push({ id: mutation.requestId, from: by });
    return mutation;
  }

  /** answer answers the oldest open request to a person, and returns undefined if there is none. */
  async answer(by, status = 'APPROVED') {
    const request = this.#requestsTo(by).shift();
    return request && this.answerTo(request, by, status);
  }

  /** answerTo answers one request. */
  answerTo({ id, from }, by, status = 'APPROVED') {
    const text = `answer ${this.#texts += 1}`;
    const input = { requestId: id, status, responseContent: text };
    return this.#send({ kind: 'answer', text, by, to: from, requestId: id }, answerMutation, input);
  }

  /** forget leaves all open requests unanswered. */
  forget() {
    this.#open.clear();
  }

  #requestsTo(person) {
    if (!this.#open.has(person)) this.#open.set(person, []);
    return this.#open.get(person);
  }

  async #send({ by, to, ...what }, mutation, input) {
    const entry = {
      ...what, by: by.name, to: to.name,
      sentAt: performance.now(), answeredAt: null, rejected: false, settledAt: Infinity,
    };
    this.history.mutations.push(entry);
    const answer = await graphql(by, mutation, { input }).catch((error) => ({ broken: error }));
    if (answer.broken) {
      this.history.broken.push(`${entry.kind} ${entry.text}: ${answer.broken.code ?? answer.broken.message}`);
      return entry;
    }
    const request = Object.values(answer.data ?? {})[0]?.knowledgeRequest;
    if (request) Object.assign(entry, { answeredAt: performance.now(), requestId: request.id });
    else if (answer.errors?.every(({ extensions }) => extensions.code === 'UNAVAILABLE')) entry.rejected = true;
    else throw new Error(`${entry.kind} ${entry.text} is answered ${JSON.stringify(answer)}`);
    return entry;
  }
}
