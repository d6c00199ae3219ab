import { useCallback, useEffect, useRef, useState } from 'react'
import { post } from './http'

export interface Viewer {
  id: string
  name: string
}

export interface Credentials {
  /** Set for signing up, and missing for signing in. */
  name?: string
  email: string
  password: string
}

/** An error answer of the server. `field` names the wrong input, if there is one. */
export class RejectedError extends Error {
  override readonly name = 'RejectedError'
  readonly field: string | undefined

  constructor(message: string, field?: string) {
    super(message)
    this.field = field
  }
}

/** The person who is signed in by the cookie, and how to change that. */
export interface Session {
  /** Null if nobody is signed in; undefined until it is known. */
  viewer: Viewer | null | undefined
  /** Why it is not known, or why the last sign-out failed. */
  error: Error | undefined
  refresh: () => Promise<void>
  /** Rejects with a RejectedError if the server rejects it. */
  signIn: (credentials: Credentials) => Promise<void>
  signOut: () => Promise<void>
}

/** Follows the session of this browser. Calls `onChange` when somebody else, or nobody any more, is signed in. */
export function useSession(onChange: (viewer: Viewer | null) => void): Session {
  const [viewer, setViewer] = useState<Viewer | null>()
  const [error, setError] = useState<Error>()
  const known = useRef<string | null>(undefined)
  const questions = useRef(0)

  const refresh = useCallback(async () => {
    const question = ++questions.current
    const latest = () => question === questions.current
    try {
      const { me } = await ask<{ me: Viewer | null }>('{ me { id name } }')
      if (!latest()) return
      setViewer(me)
      setError(undefined)
      const id = me?.id ?? null
      const changed = known.current !== undefined && known.current !== id
      known.current = id
      if (changed) onChange(me)
    } catch (reason) {
      if (latest()) setError(asError(reason))
    }
  }, [onChange])

  const signIn = useCallback(
    async (input: Credentials) => {
      await ask(
        input.name === undefined
          ? 'mutation ($input: SignInInput!) { signIn(input: $input) { expiresAt } }'
          : 'mutation ($input: SignUpInput!) { signUp(input: $input) { expiresAt } }',
        { input: { ...input, session: 'COOKIE' } },
      )
      notifyTabs()
      await refresh()
    },
    [refresh],
  )

  const signOut = useCallback(async () => {
    try {
      await ask('mutation { signOut { signedOut } }')
      notifyTabs()
      await refresh()
    } catch (reason) {
      setError(asError(reason))
    }
  }, [refresh])

  useEffect(() => {
    const start = setTimeout(() => void refresh()) // not during the effect, because React forbids setting a state there
    const refreshed = () => void refresh() // the app in another tab may have signed in or out
    window.addEventListener('focus', refreshed)
    return () => {
      clearTimeout(start)
      window.removeEventListener('focus', refreshed)
    }
  }, [refresh])

  return { viewer, error, refresh, signIn, signOut }
}

async function ask<Data>(query: string, variables?: Record<string, unknown>): Promise<Data> {
  const { data, errors } = await post({ query, ...(variables && { variables }) })
  const failure = errors?.[0]
  if (failure) throw rejected(failure.message, failure.extensions)
  if (!data) throw new RejectedError('The server answered nothing.')
  return data as Data
}

function rejected(message: string, { field }: Record<string, unknown> = {}): RejectedError {
  const named = typeof field === 'string' ? field : undefined
  const text = named && message.startsWith(`${named}: `) ? `The ${named} ${message.slice(named.length + 2)}` : message
  return new RejectedError(`${text.charAt(0).toUpperCase()}${text.slice(1)}.`, named)
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}

/**
 * Makes the app's tabs check who is signed in, because they use the same cookie. They know the message by
 * src/realtime/tabs.ts.
 */
function notifyTabs() {
  const channel = new BroadcastChannel('lorebridge')
  channel.postMessage('written')
  channel.close()
}
