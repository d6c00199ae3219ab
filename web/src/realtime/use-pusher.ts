import Pusher from 'pusher-js/with-encryption'
import { useEffect, useEffectEvent, useState } from 'react'

/** Somebody asks for what the viewer knows. `question` is absent where Pusher could not carry it: ask GraphQL. */
export interface KnowledgeRequestEvent {
  type: 'knowledge-request'
  requestId: number
  question?: string
  requesterName: string
  createdAt: string
  eventId: string
}

/** A request of the viewer's was answered. `responseContent` is absent where there is none or it is too long. */
export interface KnowledgeResponseEvent {
  type: 'knowledge-response'
  requestId: number
  status: 'approved' | 'denied'
  responseContent?: string
  eventId: string
}

/** What makes a connection: another value of any of these is another connection. */
export interface PusherConnectionOptions {
  key: string
  /** The cluster of hosted Pusher … */
  cluster?: string | null | undefined
  /** … or any other server that speaks its protocol. */
  host?: string | null | undefined
  port?: number | null | undefined
  /** Whether to connect over TLS, as happens unless it is false, and always from a page that came over TLS. */
  tls?: boolean | undefined
  /** The viewer's channel. */
  channel: string
  /** The URL or path that authorizes channels. */
  authEndpoint: string
}

export interface UsePusherOptions extends PusherConnectionOptions {
  /** Sent to `authEndpoint`, such as a bearer token. Read at each authorization. */
  headers?: Record<string, string> | undefined
  onRequest(event: KnowledgeRequestEvent): void
  onResponse(event: KnowledgeResponseEvent): void
  /**
   * Called after every join of the channel, the first included: fetch what was missed. `claim(eventId)` is true the
   * first time that an event is seen, whichever way it came: tell it then, and only then. Where this throws or rejects,
   * nothing is reported: it is called again, 1 s later and then ever less often up to every 30 s, until it succeeds or
   * the next join calls it anyway.
   */
  onResync(claim: (eventId: string) => boolean): void | Promise<void>
  /**
   * Called once for each refusal that does not pass by itself. With `status`: `authEndpoint` does not grant the
   * channel; the next reconnect asks again. With `code`: Pusher ended the connection for good, and `state` is
   * `disconnected`. 4001 is an unknown key, 4009 on Lorebridge the end of the session, as by a sign-out elsewhere. To
   * connect again pass null, and then options.
   */
  onRefused(error: RefusedError): void
}

/** pusher-js's own words. */
export type PusherState = 'initialized' | 'connecting' | 'connected' | 'unavailable' | 'failed' | 'disconnected'

export interface UsePusherResult {
  state: PusherState
  pusher: Pusher | null
}

/** A refusal: `status` is HTTP's, where a channel is not granted; `code` is Pusher's, where it ended the connection. */
export class RefusedError extends Error {
  readonly status: number | undefined
  readonly code: number | undefined

  constructor(message: string, { status, code }: { status?: number | undefined; code?: number | undefined } = {}) {
    super(message)
    this.name = 'RefusedError'
    this.status = status
    this.code = code
  }
}

/** How many events are known at a time. Repeats come within minutes, and a page of notifications has at most 100. */
export const KNOWN_EVENTS = 1000

// A dead line shows after the sum of these at the latest: the server's two minutes are long for somebody who waits.
const ACTIVITY_TIMEOUT = 30_000 // ms without a word until we ask for one
const PONG_TIMEOUT = 6_000 // ms

const FIRST_RETRY = 1_000 // ms
const SLOWEST_RETRY = 30_000 // ms

/**
 * usePusher listens on one person's channel while the component is mounted. This file can be copied: it needs React
 * 19.2 and pusher-js 8, and a server whose GraphQL query `realtime` gives the options.
 *
 * ```tsx
 * const { state } = usePusher(realtime && {
 *   ...realtime,
 *   headers: { Authorization: `Bearer ${token}` },
 *   onRequest: (event) => toast(`${event.requesterName} asks: ${event.question ?? 'a long question'}`),
 *   onResponse: (event) => toast(`Your request was ${event.status}`),
 *   onResync: async (claim) => {
 *     for (const n of await unreadNotifications()) if (claim(n.id)) toast(n.text)
 *   },
 *   onRefused: (error) => (error.code === 4009 ? signOut() : toast(error.message)),
 * })
 * ```
 *
 * - One pusher-js instance for each mounted hook, in StrictMode too. It is made anew only where what identifies the
 *   connection changes, never because `headers` or a callback did; the callbacks of the latest render are called.
 * - Each event is told once, in the order of arrival; a repeat, known by its `eventId`, is dropped, and so is what is
 *   no such event.
 * - Null means that nobody is signed in, or that it is not known yet: nothing is connected. Then, and on unmount,
 *   everything is released: the channel is left, the connection closed, and no timer goes on.
 * - pusher-js reconnects by itself, at once where the browser says that it is online. An authorization that fails for
 *   want of a network or a working server is tried again, for every channel of the instance; one that is refused is
 *   told.
 */
export function usePusher(options: UsePusherOptions | null): UsePusherResult {
  const identity = options && identityOf(options)
  const [current, setCurrent] = useState<UsePusherResult & { identity: string | null }>(NOTHING)

  const headers = useEffectEvent(() => options?.headers ?? {})
  const onRequest = useEffectEvent((event: KnowledgeRequestEvent) => options?.onRequest(event))
  const onResponse = useEffectEvent((event: KnowledgeResponseEvent) => options?.onResponse(event))
  const onResync = useEffectEvent((claim: (eventId: string) => boolean) => options?.onResync(claim))
  const onRefused = useEffectEvent((error: RefusedError) => options?.onRefused(error))

  useEffect(() => {
    if (identity === null) return undefined
    const connection = JSON.parse(identity) as PusherConnectionOptions
    let release = () => {}
    let wanted = true
    // StrictMode unmounts and mounts again before any microtask runs, and so makes one connection and not two.
    queueMicrotask(() => {
      if (!wanted) return
      release = listen(connection, {
        headers: () => headers(),
        onRequest: (event) => onRequest(event),
        onResponse: (event) => onResponse(event),
        onResync: (claim) => onResync(claim),
        onRefused: (error) => onRefused(error),
        onState: (state, pusher) => setCurrent({ identity, state, pusher }),
      })
    })
    return () => {
      wanted = false
      release()
      setCurrent(NOTHING)
    }
  }, [identity])

  return current.identity === identity ? current : NOTHING
}

const NOTHING = { identity: null, state: 'initialized', pusher: null } as const

function identityOf({ key, cluster, host, port, tls, channel, authEndpoint }: PusherConnectionOptions): string {
  const identity: PusherConnectionOptions = { key, cluster, host, port, tls, channel, authEndpoint }
  return JSON.stringify(identity)
}

interface Listener extends Pick<UsePusherOptions, 'onRequest' | 'onResponse' | 'onRefused'> {
  headers(): Record<string, string>
  onResync(claim: (eventId: string) => boolean): unknown
  onState(state: PusherState, pusher: Pusher): void
}

/** listen connects and joins the channel, and returns what releases both. */
function listen(connection: PusherConnectionOptions, listener: Listener): () => void {
  const retries = new Retries()
  const pusher = connect(connection, () => listener.headers(), retries)
  const claim = onlyOnce(KNOWN_EVENTS)
  let refusal: RefusedError | null = null // why Pusher is about to end the connection
  let refused: { status: number | undefined } | null = null // what authEndpoint said, until it grants the channel
  let joins = 0

  const onState = ({ current }: { current: PusherState }) => {
    if (current !== 'connected') retries.stop()
    listener.onState(current, pusher)
    if (current === 'disconnected' && refusal) listener.onRefused(refusal)
    refusal = null
  }
  const onError = (error: unknown) => {
    refusal = refusalOf(error) ?? refusal
  }
  const resync = async (join: number, attempt: number) => {
    try {
      await listener.onResync(claim)
    } catch {
      if (join === joins && channel.subscribed) retries.after(attempt, () => void resync(join, attempt + 1))
    }
  }

  pusher.connection.bind('state_change', onState)
  pusher.connection.bind('error', onError)
  const channel = pusher.subscribe(connection.channel)
  channel.bind('knowledge-request', (data: unknown) => {
    if (isRequest(data) && claim(data.eventId)) listener.onRequest(data)
  })
  channel.bind('knowledge-response', (data: unknown) => {
    if (isResponse(data) && claim(data.eventId)) listener.onResponse(data)
  })
  channel.bind('pusher:subscription_succeeded', () => {
    refused = null
    joins += 1
    void resync(joins, 0)
  })
  channel.bind('pusher:subscription_error', ({ status, error }: { status?: number; error?: string }) => {
    if (refused && refused.status === status) return
    refused = { status }
    listener.onRefused(new RefusedError(error ?? `${connection.channel} is refused`, { status }))
  })
  listener.onState(pusher.connection.state as PusherState, pusher)

  return () => {
    retries.end()
    channel.unbind_all()
    pusher.connection.unbind('state_change', onState)
    pusher.connection.unbind('error', onError)
    pusher.unsubscribe(connection.channel)
    pusher.disconnect()
    // After a close with 4100 pusher-js has two timers, of which disconnect() knows one. The other would connect again.
    pusher.connection.connect = () => {}
    const index = Pusher.instances.indexOf(pusher)
    if (index !== -1) Pusher.instances.splice(index, 1)
  }
}

/** connect makes the pusher-js instance. Others may join channels with it too: all are authorized in the same way. */
function connect(
  { key, cluster, host, port, tls, authEndpoint }: PusherConnectionOptions,
  headers: () => Record<string, string>,
  retries: Retries,
): Pusher {
  const pusher = new Pusher(key, {
    cluster: cluster ?? '',
    ...(host && {
      wsHost: host,
      // Over TLS 'ws' speaks it too; without, there is none to fall back on.
      enabledTransports: tls === false ? ['ws'] : ['ws', 'wss'],
    }),
    ...(port && { wsPort: port, wssPort: port }),
    ...(tls !== undefined && { forceTLS: tls }),
    channelAuthorization: { transport: 'ajax', endpoint: authEndpoint, headersProvider: headers },
    enableStats: false,
    activityTimeout: ACTIVITY_TIMEOUT,
    pongTimeout: PONG_TIMEOUT,
  })

  pusher.connection.bind('connected', () => doNotWriteWhileClosing(pusher))

  // pusher-js asks once, and takes the answer for an earlier socket, a refusal at best, for that of the present one.
  const ask = pusher.config.channelAuthorizer
  pusher.config.channelAuthorizer = (params, answer) => {
    const isPresent = () => (pusher.connection.connection as { id: string } | null)?.id === params.socketId
    const isWanted = () => pusher.allChannels().some((c) => c.name === params.channelName && !c.subscriptionCancelled)
    const attempt = (attempts: number) => {
      if (!isPresent()) return
      ask(params, (error, data) => {
        if (!isPresent()) return
        if (error && isPassing(error) && isWanted()) retries.after(attempts, () => attempt(attempts + 1))
        else answer(error, data)
      })
    }
    attempt(0)
  }
  return pusher
}

/** Browsers call it an error to write to a socket that is closing. pusher-js writes a moment late, and learns last that it is. */
function doNotWriteWhileClosing({ connection }: Pusher): void {
  const socket = (connection.connection as unknown as { transport?: { socket?: WebSocket } } | null)?.transport?.socket
  if (!socket) return
  const send = socket.send.bind(socket)
  socket.send = (data) => {
    if (socket.readyState === WebSocket.OPEN) send(data)
  }
}

/** isPassing tells a failure on the way to an authorization from its refusal. */
function isPassing(error: Error & { status?: number }): boolean {
  const { status } = error
  return status !== undefined && (status === 0 || status === 408 || status === 429 || status >= 500)
}

/** Retries are timers that wait ever longer, and end together. */
class Retries {
  #timers = new Set<ReturnType<typeof setTimeout>>()
  #ended = false

  after(attempts: number, run: () => void): void {
    if (this.#ended) return
    // Spread, so that not all come back to a server in the same instant.
    const delay = Math.min(FIRST_RETRY * 2 ** attempts, SLOWEST_RETRY) * (0.75 + Math.random() / 4)
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, delay)
    this.#timers.add(timer)
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  end(): void {
    this.#ended = true
    this.stop()
  }
}

/** onlyOnce returns a function that is true the first time that it is given an id. It knows the last so many. */
export function onlyOnce(known: number): (id: string) => boolean {
  const ids = new Set<string>()
  return (id) => {
    if (ids.has(id)) return false
    const [oldest] = ids
    if (oldest !== undefined && ids.size >= known) ids.delete(oldest)
    ids.add(id)
    return true
  }
}

/** refusalOf is the refusal in an `error` of a pusher-js connection, or null where pusher-js will connect again. */
export function refusalOf(error: unknown): RefusedError | null {
  if (!isObject(error)) return null
  if (isObject(error.error)) return refusalOf(error.error)
  if (!isObject(error.data)) return null
  const { code, message } = error.data
  // The ranges by which pusher-js gives up: 4000 asks for TLS, 4100 to 4299 to come again.
  if (typeof code !== 'number' || code <= 4000 || (code >= 4100 && code < 4300)) return null
  const reason = typeof message === 'string' && message ? message : 'no reason given'
  return new RefusedError(`Pusher refuses the connection: ${reason} (${code})`, { code })
}

function isRequest(data: unknown): data is KnowledgeRequestEvent {
  return (
    isEvent(data, 'knowledge-request') &&
    typeof data.requesterName === 'string' &&
    typeof data.createdAt === 'string' &&
    isTextOrAbsent(data.question)
  )
}

function isResponse(data: unknown): data is KnowledgeResponseEvent {
  return (
    isEvent(data, 'knowledge-response') &&
    (data.status === 'approved' || data.status === 'denied') &&
    isTextOrAbsent(data.responseContent)
  )
}

function isEvent(data: unknown, type: string): data is Record<string, unknown> {
  if (!isObject(data) || data.type !== type) return false
  return typeof data.eventId === 'string' && Number.isSafeInteger(data.requestId)
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'string'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
