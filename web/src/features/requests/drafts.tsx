import { useWindowEvent } from '@mantine/hooks'
import { createContext, useContext, useState, type ReactNode } from 'react'

import type { KnowledgeResponse } from '../../gql/operations'

/** Draft is an answer before the server has it. */
interface Draft {
  text: string
  /** What is being sent right now. */
  sending?: KnowledgeResponse
  /** Why it could not be sent. */
  error?: unknown
}

const blank: Draft = { text: '' }

/**
 * Drafts keeps what a person writes until it is sent, whatever happens to the card that it is written in: lists are
 * fetched again, other devices answer, people look something up on another page.
 */
class Drafts {
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

  #changed() {
    const unsent = [...this.#drafts].filter(([, draft]) => draft.text.trim() && !draft.sending).map(([id]) => id)
    if (unsent.join() !== this.#unsent.join()) this.#unsent = unsent
    this.#listeners.forEach((listener) => listener())
  }
}

const Context = createContext<Drafts | null>(null)

/**
 * DraftsProvider holds the drafts of one person: its key is their id, and the drafts end with their session. The browser asks before
 * the page is closed or loaded anew on one that is not sent.
 */
export function DraftsProvider({ children }: { children: ReactNode }) {
  const [drafts] = useState(() => new Drafts())
  useWindowEvent('beforeunload', (event) => {
    if (drafts.unsent().length > 0) event.preventDefault()
  })
  return <Context value={drafts}>{children}</Context>
}

export function useDrafts(): Drafts {
  const drafts = useContext(Context)
  if (!drafts) throw new Error('useDrafts is called outside of DraftsProvider')
  return drafts
}
