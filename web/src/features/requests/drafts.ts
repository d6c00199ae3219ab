import type { ApolloClient } from '@apollo/client'

import type { KnowledgeResponse } from '../../gql/operations'

/** Draft is an answer before the server has it. */
export interface Draft {
  text: string
  /** What is being sent right now. */
  sending?: KnowledgeResponse
  /** Why it could not be sent. */
  error?: unknown
}

const blank: Draft = { text: '' }

/**
 * Drafts keeps what people write until it is sent, whatever happens to the card that it is written in: lists are
 * fetched again, other devices answer, people look something up on another page. It ends with the session.
 */
export class Drafts {
  #drafts = new Map<string, Draft>()
  #unsent: readonly string[] = []
  #listeners = new Set<() => void>()

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  get(requestId: string): Draft {
    return this.#drafts.get(requestId) ?? blank
  }

  /** unsent are the ids of the requests with words that are not on their way: the same array while they are the same. */
  unsent = (): readonly string[] => this.#unsent

  set(requestId: string, draft: Draft) {
    this.#drafts.set(requestId, draft)
    this.#changed()
  }

  drop(requestId: string) {
    if (this.#drafts.delete(requestId)) this.#changed()
  }

  clear() {
    this.#drafts.clear()
    this.#changed()
  }

  #changed() {
    const unsent = [...this.#drafts].filter(([, draft]) => draft.text.trim() && !draft.sending).map(([id]) => id)
    if (unsent.join() !== this.#unsent.join()) this.#unsent = unsent
    this.#listeners.forEach((listener) => listener())
  }
}

const draftsByClient = new WeakMap<ApolloClient, Drafts>()

/** draftsOf are the drafts of whoever uses this client; the next person's store begins without them. */
export function draftsOf(client: ApolloClient): Drafts {
  let drafts = draftsByClient.get(client)
  if (!drafts) {
    const made = new Drafts()
    client.onClearStore(() => {
      made.clear()
      return Promise.resolve()
    })
    draftsByClient.set(client, made)
    drafts = made
  }
  return drafts
}
