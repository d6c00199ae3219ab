import { useWindowEvent } from '@mantine/hooks'
import { createContext, useContext, useState, type ReactNode } from 'react'

import type { KnowledgeResponse } from '../../gql/operations'

/** Draft is an answer before the server has it. */
interface Draft {
  text: string
  /** The answer that is being sent. */
  sending?: KnowledgeResponse
  /** Why it could not be sent. */
  error?: unknown
}

const blank: Draft = { text: '' }

/**
 * Drafts keeps texts until they are sent, even if their card disappears: when lists are fetched again, another device
 * answers, or the viewer opens another page.
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

  /**
   * unsent returns the ids of the requests whose text is not being sent. It returns the same array until they change.
   */
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
 * DraftsProvider holds the drafts of one person. Its key is the person's id, so that the drafts end with the session.
 * The browser asks before the page is closed or reloaded with an unsent draft.
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
