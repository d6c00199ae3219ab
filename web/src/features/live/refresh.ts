import type { ApolloClient } from '@apollo/client'
import { CombinedGraphQLErrors } from '@apollo/client/errors'

import { readAgain } from '../../gql/read-again'

/** Refresher reads again whatever is on the screen: once at a time, and once more where something has changed meanwhile. */
export class Refresher {
  #client: ApolloClient
  #running: Promise<void> | undefined
  #isStale = false

  constructor(client: ApolloClient) {
    this.#client = client
  }

  /** run rejects where the server could not be reached, and not for what it refuses. */
  run(): Promise<void> {
    this.changed()
    this.#running ??= this.#readUntilFresh().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** changed says that what is being read may be older than what the cache has just been told. */
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
