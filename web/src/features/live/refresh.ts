import type { ApolloClient } from '@apollo/client'
import { CombinedGraphQLErrors } from '@apollo/client/errors'

import { readAgain } from '../../gql/read-again'

/**
 * Refresher fetches everything on the screen again: once at a time, and once more if something has changed meanwhile.
 */
export class Refresher {
  #client: ApolloClient
  #running: Promise<void> | undefined
  #isStale = false

  constructor(client: ApolloClient) {
    this.#client = client
  }

  /** run rejects if the server could not be reached, but not if the server answers with an error. */
  run(): Promise<void> {
    this.changed()
    this.#running ??= this.#readUntilFresh().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** changed marks the running fetch as possibly older than the cache. */
  changed() {
    this.#isStale = true
  }

  async #readUntilFresh() {
    while (this.#takeStale()) await this.#read()
  }

  #takeStale(): boolean {
    const wasStale = this.#isStale
    this.#isStale = false
    return wasStale
  }

  async #read() {
    for (const result of await readAgain(this.#client, 'active')) {
      if (result.status === 'rejected' && !CombinedGraphQLErrors.is(result.reason)) throw result.reason
    }
  }
}
