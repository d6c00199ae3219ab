import { useCallback, useEffect, useRef, useState } from 'react'
import { post } from './http'

export interface Viewer {
  id: string
  name: string
}

export interface Credentials {
  /** Signs up where it is given, and in where it is not. */
  name?: string
  email: string
  password: string
}

/** An answer that says no. `field` names the input that is wrong, if one is. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly field: string | undefined

  constructor(message: string, field?: string) {
    super(message)
    this.field = field
  }
}

/** Who is signed in by the cookie, and how to change it. */
export interface Session {
  /** Null where nobody is signed in; undefined until it is known. */
  viewer: Viewer | null | undefined
  /** Why it is not known, or why the last try to sign out failed. */
  error: Error | undefined
  refresh: () => Promise<void>
  /** Rejects with RefusedError where the server refuses. */
  signIn: (credentials: Credentials) => Promise<void>
  signOut: () => Promise<void>
}

/** Follows the session of this browser. `onChange` is told when somebody else, or nobody any more, is signed in. */
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
      tellTabs()
      await refresh()
    },
    [refresh],
  )

  const signOut = useCallback(async () => {
    try {
      await ask('mutation { signOut { signedOut } }')
      tellTabs()
      await refresh()
    } catch (reason) {
      setError(asError(reason))
    }
  }, [refresh])

  useEffect(() => {
    const start = setTimeout(() => void refresh()) // a state is not set while an effect runs
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
  const refusal = errors?.[0]
  if (refusal) throw refused(refusal.message, refusal.extensions)
  if (!data) throw new RefusedError('The server answered nothing.')
  return data as Data
}

function refused(message: string, { field }: Record<string, unknown> = {}): RefusedError {
  const named = typeof field === 'string' ? field : undefined
  const told = named && message.startsWith(`${named}: `) ? `The ${named} ${message.slice(named.length + 2)}` : message
  return new RefusedError(`${told.charAt(0).toUpperCase()}${told.slice(1)}.`, named)
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}

/** Makes the app's tabs look who is signed in: their cookie is ours. They know the message by src/realtime/tabs.ts. */
function tellTabs() {
  const channel = new BroadcastChannel('lorebridge')
  channel.postMessage('written')
  channel.close()
}
