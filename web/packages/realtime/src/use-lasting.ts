import type { ErrorLike, OperationVariables, TypedDocumentNode } from '@apollo/client'
import { CombinedGraphQLErrors } from '@apollo/client/errors'
import { skipToken, useSubscription } from '@apollo/client/react'
import { useEffect, useInsertionEffect, useRef, useState } from 'react'

export interface UseLastingOptions<TData, TVariables> {
  variables?: TVariables
  /** Nothing is subscribed to while this is true. */
  skip?: boolean
  onData: (data: TData) => void
  /** Called when something may have been missed: read the present state then. */
  onGap: () => void
  /** Called when the subscription ends, before it is begun anew. */
  onEnd?: () => void
}

const FIRST_WAIT = 1_000 // ms
const SLOWEST_WAIT = 60_000 // ms
/** A subscription that lasted for this long, in ms, was sound: its end is a first failure. */
const SETTLED = 30_000

/** These errors do not pass: the same subscription would end in the same way. */
const final = new Set(['UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND', 'BAD_USER_INPUT', 'GRAPHQL_VALIDATION_FAILED'])

/**
 * useLasting subscribes for as long as the component is mounted. If the subscription ends, because the server's
 * settings have changed or Pusher refuses it, it is begun anew: soon at first, and ever less often while that fails.
 * `error` says why it has ended, until it is begun anew. `restart` does that at once, also after an error that does not
 * pass.
 */
export function useLasting<TData, TVariables extends OperationVariables>(
  document: TypedDocumentNode<TData, TVariables>,
  { variables, skip = false, onData, onGap, onEnd }: UseLastingOptions<TData, TVariables>,
) {
  const [error, setError] = useState<ErrorLike>()
  const [hasEnded, setHasEnded] = useState(false)
  const failures = useRef({ count: 0, begun: -Infinity })

  const options = {
    ...(variables && { variables }),
    ignoreResults: true,
    onData({ data: { data } }) {
      if (data) onData(data)
    },
    onError(failure) {
      if (codeOf(failure) === 'SUBSCRIPTION_GAP') onGap()
      else setError(failure)
    },
    onComplete() {
      setHasEnded(true)
      onEnd?.()
    },
  } as useSubscription.Options<TData, TVariables>
  const { restart } = useSubscription(document, skip ? skipToken : options)

  function begin() {
    setError(undefined)
    setHasEnded(false)
    restart()
  }

  const beginAnew = useRef(() => {})
  useInsertionEffect(() => {
    beginAnew.current = () => {
      failures.current.begun = performance.now()
      begin()
      onGap()
    }
  })
  const isFinal = final.has(codeOf(error) ?? '')
  useEffect(() => {
    if (skip || !hasEnded || isFinal) return undefined
    const { current } = failures
    current.count = performance.now() - current.begun > SETTLED ? 0 : current.count + 1
    const wait = Math.min(FIRST_WAIT * 2 ** current.count, SLOWEST_WAIT) * (0.75 + Math.random() / 4)
    const timer = setTimeout(() => beginAnew.current(), wait)
    return () => clearTimeout(timer)
  }, [skip, hasEnded, isFinal])

  return { error, restart: begin }
}

function codeOf(error: unknown): string | undefined {
  const code = CombinedGraphQLErrors.is(error) ? error.errors[0]?.extensions?.code : undefined
  return typeof code === 'string' ? code : undefined
}
