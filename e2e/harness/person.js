import assert from 'node:assert/strict';

import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache } from '@apollo/client';

import * as operations from './operations.js';

let accounts = 0;

/**
 * apollo returns a client like that of an application, but without answers from its cache, because tests ask the
 * server.
 */
export function apollo(server, headers = {}) {
  return new ApolloClient({
    link: new HttpLink({ uri: `${server.url}/graphql`, headers }),
    cache: new InMemoryCache(),
    defaultOptions: { query: { fetchPolicy: 'no-cache' }, mutate: { fetchPolicy: 'no-cache' } },
  });
}

/** Person is a signed-in person with an Apollo client. */
export class Person {
  constructor(server, account, { user, token }) {
    Object.assign(this, account, { server, token, id: user.id, channel: `private-user-${user.id}` });
    this.headers = { Authorization: `Bearer ${token}` };
    this.client = apollo(server, this.headers);
  }

  static async signUp(server, name, email = `person${accounts += 1}@example.com`) {
    const account = { name, email, password: 'correct horse' };
    const { data } = await apollo(server).mutate({
      mutation: operations.signUp, variables: { input: { ...account, session: 'TOKEN' } },
    });
    return new Person(server, account, data.signUp);
  }

  /** signInAgain begins a second session of the same person. */
  async signInAgain() {
    const { name, email, password } = this;
    const signedIn = await this.mutate('signIn', { email, password, session: 'TOKEN' });
    return new Person(this.server, { name, email, password }, signedIn);
  }

  /** mutate runs one of the operations and returns its payload. */
  async mutate(operation, input) {
    const { data } = await this.client.mutate({ mutation: operations[operation], variables: { input } });
    return Object.values(data)[0];
  }

  async query(operation, variables) {
    const { data } = await this.client.query({ query: operations[operation], variables });
    return Object.values(data)[0];
  }

  /** ask sends a free question to a person, or a request for an item with { knowledgeId }. */
  ask(whom, question) {
    const target = whom instanceof Person ? { ownerId: whom.id } : whom;
    return this.mutate('ask', { ...target, question });
  }

  answer(requestId, status, responseContent) {
    return this.mutate('answer', { requestId, status, responseContent });
  }

  async createKnowledge(title, content) {
    return (await this.mutate('createKnowledge', { title, content })).knowledge;
  }

  deleteKnowledge(id) {
    return this.client.mutate({ mutation: operations.deleteKnowledge, variables: { input: { id } } });
  }

  signOut() {
    return this.mutate('signOut');
  }

  requests(box) {
    return this.#all('requests', { box });
  }

  notifications({ unreadOnly = false } = {}) {
    return this.#all('notifications', { unreadOnly });
  }

  /** #all reads a list page by page. */
  async #all(operation, variables) {
    const nodes = [];
    for (let after = null; ;) {
      const page = await this.query(operation, { ...variables, after });
      nodes.push(...page.edges.map((edge) => edge.node));
      if (!page.pageInfo.hasNextPage) {
        assert.equal(nodes.length, page.totalCount);
        return nodes;
      }
      after = page.pageInfo.endCursor;
    }
  }
}

export const signUpAll = (server, ...names) => Promise.all(names.map((name) => Person.signUp(server, name)));

/** failsWith checks that an operation fails with exactly one error of this code. */
export async function failsWith(code, operation) {
  await assert.rejects(operation, (error) => {
    assert.ok(CombinedGraphQLErrors.is(error), error);
    assert.deepEqual(error.errors.map((e) => e.extensions.code), [code], error.message);
    return true;
  });
}
