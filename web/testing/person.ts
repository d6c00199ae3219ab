import type { PusherConnectionOptions } from '@lorebridge/realtime/core'

import type { Server } from './server'

let people = 0

interface Id {
  id: string
}

/** Person is somebody signed in at a server, with the token of one session. */
export class Person {
  readonly server: Server
  readonly id: string
  readonly headers: Record<string, string>
  /** How to connect, with an authEndpoint that jsdom's page finds. */
  readonly realtime: PusherConnectionOptions

  private constructor(server: Server, id: string, headers: Record<string, string>, realtime: PusherConnectionOptions) {
    this.server = server
    this.id = id
    this.headers = headers
    this.realtime = { ...realtime, authEndpoint: server.url + realtime.authEndpoint }
  }

  static async signUp(server: Server, name: string, email?: string): Promise<Person> {
    people += 1
    const input = {
      name, email: email ?? `person${people}-${process.pid}@example.com`, password: 'correct horse', session: 'TOKEN',
    }
    const { signUp } = await post<{ signUp: { token: string; user: Id } }>(
      server, {}, 'mutation ($input: SignUpInput!) { signUp(input: $input) { token user { id } } }', { input },
    )
    // In lower case, as browsers ask for it before they send it to another origin, and jsdom does not.
    const headers = { authorization: `Bearer ${signUp.token}` }
    const { realtime } = await post<{ realtime: PusherConnectionOptions }>(
      server, headers, '{ realtime { key host port tls channel authEndpoint } }',
    )
    return new Person(server, signUp.user.id, headers, realtime)
  }

  graphql<T>(query: string, variables?: object): Promise<T> {
    return post<T>(this.server, this.headers, query, variables)
  }

  /** ask puts a question to somebody and returns the request's id. */
  async ask(whom: Person, question: string): Promise<string> {
    const { createKnowledgeRequest } = await this.graphql<{ createKnowledgeRequest: { knowledgeRequest: Id } }>(
      `mutation ($input: CreateKnowledgeRequestInput!) {
        createKnowledgeRequest(input: $input) { knowledgeRequest { id } }
      }`,
      { input: { ownerId: whom.id, question } },
    )
    return createKnowledgeRequest.knowledgeRequest.id
  }

  async answer(requestId: string, status: 'APPROVED' | 'DENIED', responseContent?: string): Promise<void> {
    await this.graphql(
      'mutation ($input: RespondToRequestInput!) { respondToRequest(input: $input) { knowledgeRequest { id } } }',
      { input: { requestId, status, responseContent } },
    )
  }

  async publishKnowledge(title: string, content: string): Promise<void> {
    await this.graphql(
      'mutation ($input: CreateKnowledgeInput!) { createKnowledge(input: $input) { knowledge { id } } }',
      { input: { title, content } },
    )
  }

  /** unread are the ids of what this person was not told yet, the oldest first. */
  async unread(): Promise<string[]> {
    const { notifications } = await this.graphql<{ notifications: { edges: { node: Id }[] } }>(
      '{ notifications(unreadOnly: true, first: 100) { edges { node { id } } } }',
    )
    return notifications.edges.map(({ node }) => node.id).reverse()
  }

  async signOut(): Promise<void> {
    await this.graphql('mutation { signOut { signedOut } }')
  }
}

async function post<T>(server: Server, headers: Record<string, string>, query: string, variables = {}): Promise<T> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = (await response.json()) as { data: T; errors?: { message: string }[] }
  if (errors) throw new Error(errors.map((error) => error.message).join('; '))
  return data
}
