import assert from 'node:assert/strict';

import { tryBrowser } from './browser.js';
import { graphql } from './http.js';
import { Person } from './person.js';

/** families are the kinds of clients: their path for authorization, and the event that they bind to. */
export const families = {
  'graphql-ruby': { authEndpoint: '/pusher/auth', event: 'update' },
  lighthouse: { authEndpoint: '/graphql/subscriptions/auth', event: 'lighthouse-subscription' },
};

/** subscribe sends a subscription by POST as any program could, and returns the answer with its channel. */
export async function subscribe(person, query, { variables, headers } = {}) {
  const answer = await graphql(person.server, query, { variables, headers: { ...person.headers, ...headers } });
  return { ...answer, ...answer.json(), channel: answer.headers['x-subscription-id'] };
}

/**
 * listen joins a subscription's channel as a client of the family does, and returns the browser when it has joined or
 * was rejected.
 */
export function listen(t, person, channel, family = 'graphql-ruby') {
  const { authEndpoint } = families[family];
  return tryBrowser(t, person, { channel, authEndpoint });
}

/** resultsOf returns the results that arrived on a channel, each with its data at the field. */
export const resultsOf = (browser, field) => browser.events.filter(({ data }) => data.result)
  .map(({ data: { result } }) => result.data?.[field]);

/** statistics returns a server's counts of all subscriptions. */
export async function statistics(server) {
  return (await (await fetch(`${server.url}/healthz`)).json()).subscriptions;
}

/** openSubscriptions returns the number of open subscriptions. */
export const openSubscriptions = async (server) => (await statistics(server)).open;

/** administrators is the setting that lets root see and end everybody's subscriptions. */
export const administrators = { ADMIN_EMAILS: 'root@example.com' };

const list = `query ($state: StoredSubscriptionState) { storedSubscriptions(first: 100, state: $state) {
  totalCount edges { node { id state topic field channel closedReason user { id } } }
} }`;

/** Administrator is root. */
export class Administrator {
  static async signUp(server) {
    const administrator = new Administrator();
    administrator.person = await Person.signUp(server, 'Root', administrators.ADMIN_EMAILS);
    return administrator;
  }

  async #run(query, variables) {
    const answer = (await graphql(this.person.server, query, { variables, headers: this.person.headers })).json();
    if (answer.errors) throw new Error(JSON.stringify(answer.errors));
    return answer.data;
  }

  /** subscriptionsOf returns a person's open and ended subscriptions, the newest first. */
  async subscriptionsOf({ id }) {
    const { storedSubscriptions } = await this.#run(list);
    assert.ok(storedSubscriptions.totalCount <= 100, `the first 100 of ${storedSubscriptions.totalCount} are not all`);
    return storedSubscriptions.edges.map(({ node }) => node).filter(({ user }) => user.id === id);
  }

  /** newest returns the newest 100 of all people. */
  async newest() {
    return (await this.#run(list)).storedSubscriptions.edges.map(({ node }) => node);
  }

  /** endAll ends the subscriptions with these channels, which must be among the newest 100. */
  async endAll(channels) {
    const ids = (await this.newest()).filter(({ channel }) => channels.includes(channel)).map(({ id }) => id);
    assert.equal(ids.length, channels.length);
    for (const id of ids) await this.end(id);
  }

  end(id) {
    const mutation = 'mutation ($id: ID!) { endSubscription(input: {id: $id}) { endedId } }';
    return this.#run(mutation, { id });
  }
}
