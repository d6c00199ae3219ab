import type { Observable } from '@graphiql/toolkit'
import type { GraphQLError } from 'graphql'
import { createClient as createSSE, NetworkError } from 'graphql-sse'
import { createClient as createWebSocket } from 'graphql-ws'
import { endpoint, plainError, toResult, type Request, type Result } from './http'
import type { Transport } from './transport'

const broken = 'The connection broke off, or the server cannot be reached. Run it again.'

export interface Sink {
  next: (result: Result) => void
  error: (error: unknown) => void
  complete: () => void
}

/** Starts a subscription, and returns a function that stops it. */
type Connect = (sink: Sink) => () => void

/** The running subscriptions. Each has a connection of its own, so its session is the one from its start. */
export class Streams {
  readonly #reconnects = new Set<() => void>()

  /**
   * Returns a subscription that begins when it is observed and ends with the observer. A broken connection is
   * reported and not restored.
   */
  open(request: Request, transport: Transport, headers: Headers): Observable<Result> {
    const connect = connects[transport](request, headers)
    return { subscribe: (...args: Parameters<typeof toSink>) => this.#run(connect, toSink(...args)) }
  }

  /** Restarts all of them, because a connection keeps the session with which it was opened. */
  reconnect(): void {
    for (const reconnect of this.#reconnects) reconnect()
  }

  #run(connect: Connect, sink: Sink) {
    const begin = () => {
      let over = false
      const unlessOver = (then: () => void) => {
        if (!over) then()
      }
      const end = (then: () => void) =>
        unlessOver(() => {
          over = true
          this.#reconnects.delete(reconnect)
          then()
        })
      const close = connect({
        next: (result) => unlessOver(() => sink.next(result)),
        error: (error) => end(() => sink.error(error)),
        complete: () => end(() => sink.complete()),
      })
      return () => {
        over = true
        close()
      }
    }
    let close = begin()
    const reconnect = () => {
      close()
      close = begin()
    }
    this.#reconnects.add(reconnect)
    return {
      unsubscribe: () => {
        this.#reconnects.delete(reconnect)
        close()
      },
    }
  }
}

/** An observer may be one object or up to three functions. */
function toSink(
  observer?: Partial<Sink> | Sink['next'] | null,
  error?: Sink['error'] | null,
  complete?: Sink['complete'] | null,
): Sink {
  const given = typeof observer === 'function' ? { next: observer, error, complete } : (observer ?? { error, complete })
  return {
    next: (result) => given.next?.(result),
    error: (reason) => given.error?.(reason),
    complete: () => given.complete?.(),
  }
}

const connects: Record<Transport, (request: Request, headers: Headers) => Connect> = {
  ws: overWebSocket,
  sse: overSSE,
  pusher: overPusher,
}

/** pusher-js is loaded with the first subscription that uses it. */
function overPusher(request: Request, headers: Headers): Connect {
  return (sink) => {
    let stop = () => {}
    let isStopped = false
    import('./pusher').then(
      ({ subscribe }) => {
        if (!isStopped) stop = subscribe(request, headers, sink)
      },
      () => sink.error(plainError(broken)),
    )
    return () => {
      isStopped = true
      stop()
    }
  }
}

function overWebSocket(request: Request, headers: Headers): Connect {
  const url = new URL(endpoint, location.href)
  url.protocol = url.protocol.replace('http', 'ws')
  const authorization = headers.get('Authorization')
  return (sink) => {
    const client = createWebSocket({
      url: url.href,
      retryAttempts: 0,
      ...(authorization !== null && { connectionParams: { Authorization: authorization } }),
    })
    const stop = client.subscribe(request, {
      next: (result) => sink.next(result as Result),
      complete: () => sink.complete(),
      error: (reason) => {
        if (isGraphQLErrors(reason)) {
          sink.next({ errors: reason })
          sink.complete()
        } else sink.error(reason instanceof CloseEvent ? closed(reason) : reason)
      },
    })
    return () => {
      stop()
      void client.dispose()
    }
  }
}

function overSSE(request: Request, headers: Headers): Connect {
  return (sink) => {
    const client = createSSE({ url: endpoint, headers: Object.fromEntries(headers), retryAttempts: 0 })
    const stop = client.subscribe(request, {
      next: (result) => sink.next(result as Result),
      complete: () => sink.complete(),
      error: (reason) => {
        if (reason instanceof NetworkError && reason.response instanceof Response) {
          toResult(reason.response).then((result) => {
            sink.next(result)
            sink.complete()
          }, sink.error)
        } else sink.error(reason instanceof NetworkError ? plainError(broken) : reason)
      },
    })
    return () => {
      stop()
      client.dispose()
    }
  }
}

/** The meaning of the server's close codes: docs/protocol.md. */
function closed({ code, reason }: CloseEvent): Error {
  switch (code) {
    case 4401:
      return plainError('The session has ended, or the token does not hold. Sign in, and run it again.')
    case 4403:
      return plainError('The header Authorization must be "Bearer" and a token.')
    case 1012:
      return plainError('The server is stopping. Run it again in a moment.')
    case 1013:
      return plainError('There are too many connections. Run it again in a moment.')
    case 1006:
      return plainError(broken)
    default:
      return plainError(`The connection was closed: ${reason || 'the server did not say why'} (${code}). Run it again.`)
  }
}

function isGraphQLErrors(reason: unknown): reason is GraphQLError[] {
  return Array.isArray(reason)
}
