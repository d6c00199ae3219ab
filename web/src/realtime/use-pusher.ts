import Pusher, { type Channel } from 'pusher-js/with-encryption'
import { useEffect, useEffectEvent, useState } from 'react'

import {
  isObject, isRequest, isResponse, KNOWN_EVENTS, type KnowledgeRequestEvent, type KnowledgeResponseEvent, onlyOnce,
} from './events'

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
  /** The person's channel. */
  channel: string
  /** The URL or path that authorizes channels. */
  authEndpoint: string
  /** A public channel. Its event `realtime-changed` says that the server starts or stops: all of these may be others then. */
  noticeChannel?: string | null | undefined
}

export interface UsePusherOptions {
  /** Whose channel it is, such as a user's id: another value is another person, and everything begins anew. */
  person: string
  /**
   * Asks the server how to connect, by its query `realtime`. It is called at the start, and when the values may have
   * changed: never while all is well. If it rejects, it is called again later, ever less often up to every minute.
   */
  read(): Promise<PusherConnectionOptions>
  /** Sent to `authEndpoint`, such as a bearer token. Read at each authorization. */
  headers?: Record<string, string> | undefined
  onRequest(event: KnowledgeRequestEvent): void
  onResponse(event: KnowledgeResponseEvent): void
  /**
   * Called after every join of the channel, the first included: fetch what was missed. `claim(eventId)` is true the
   * first time that an event is seen, whichever way it came: announce it then, and only then. If this throws or
   * rejects, it is called again, 1 s later and then ever less often up to every 30 s, until it succeeds or the next
   * join calls it anyway. While `problem` is set it is also called after each `read` that succeeds.
   */
  onResync(claim: (eventId: string) => boolean): void | Promise<void>
  /**
   * Called for each refusal that does not pass by itself, for a log: what can be done about it, is done. With `status`:
   * `authEndpoint` does not grant the channel. With `code`: Pusher ended the connection for good; 4001 is an unknown
   * key, 4009 on Lorebridge the end of the session, as by a sign-out elsewhere.
   */
  onRefused?(error: RefusedError): void
}

/**
 * How live the page is, in pusher-js's words. `connected` means that the channel is joined, and not only that there is
 * a socket. `unavailable` means that the connection is lost or refused; it comes back by itself.
 */
export type LiveState = 'initialized' | 'connecting' | 'connected' | 'unavailable' | 'failed'

/**
 * Why nothing is live, if it does not pass at once. `off`: the channel could not be joined for 20 s; it is tried
 * again. `blocked`: Pusher has another address, which the page's Content-Security-Policy does not allow: only loading
 * the page anew helps.
 */
export type LiveProblem = 'off' | 'blocked'

export interface UsePusherResult {
  state: LiveState
  problem: LiveProblem | null
  pusher: Pusher | null
  /** Calls `read`, and connects anew if anything has changed or is amiss: for a button, or when the page is shown. */
  check: () => void
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

// A dead connection shows after the sum of these at the latest: the server's two minutes are long for somebody who waits.
const ACTIVITY_TIMEOUT = 30_000 // ms without a word until we ask for one
const PONG_TIMEOUT = 6_000 // ms

const FIRST_RETRY = 1_000 // ms
const SLOWEST_RETRY = 30_000 // ms
const SLOWEST_READ = 60_000 // ms
const FIRST_SPREAD = 300 // ms: a server that has restarted is not asked by all pages at once

/** How long, in ms, pusher-js may take to join before the settings are read again. */
const JOIN_PATIENCE = 10_000
/** How long, in ms, nothing may be live before it is called a problem. */
const PROBLEM_PATIENCE = 20_000
/** A channel that was joined for this long, in ms, was really live: the next failure is a first one. */
const SETTLED = 30_000
/** The least time, in ms, between two reads that `check` asks for. */
const CHECK_PAUSE = 2_000

/**
 * usePusher listens on one person's channel while the component is mounted, and never stops listening silently. This
 * file can be copied, with events.ts: it needs React 19.2 and pusher-js 8, and a server with the query `realtime`.
 *
 * ```tsx
 * const { state, problem, check } = usePusher(viewer && {
 *   person: viewer.id,
 *   read: async () =>
 *     (await ask('{ realtime { key cluster host port tls channel authEndpoint noticeChannel } }')).realtime,
 *   headers: { Authorization: `Bearer ${token}` },
 *   onRequest: (event) => toast(`${event.requesterName} asks: ${event.question ?? 'a long question'}`),
 *   onResponse: (event) => toast(`Your request was ${event.status}`),
 *   onResync: async (claim) => {
 *     for (const n of await unreadNotifications()) if (claim(n.id)) toast(n.text)
 *   },
 * })
 * ```
 *
 * - One pusher-js instance for each mounted hook, in StrictMode too. It is made anew only if `read` gives other values
 *   or Pusher ended the connection for good, never because a callback changed; the latest callbacks are called.
 * - `read` is called again when the channel is refused, when Pusher ends the connection for good, when there is no
 *   connection for 10 s, when the server says that it starts or stops, when the browser is online again, and when
 *   `check` is called. Failures back off, with jitter. Nothing is read while the channel is joined.
 * - Each event is reported once, in the order of arrival; a repeat, known by its `eventId`, is dropped, and so is what
 *   is no such event.
 * - Null means that nobody is signed in, or that it is not known yet: nothing is connected. Then, and on unmount,
 *   everything is released: the channel is left, the connection closed, and no timer goes on. When the session has
 *   ended `read` rejects: give null then.
 * - pusher-js reconnects by itself, at once when the browser says that it is online. An authorization that fails for
 *   want of a network or a working server is tried again, for every channel of the instance.
 */
export function usePusher(options: UsePusherOptions | null): UsePusherResult {
  const person = options && options.person
  const [current, setCurrent] = useState<UsePusherResult & { person: string | null }>(NOTHING)

  const read = useEffectEvent(() => options?.read() ?? Promise.reject(new Error('nobody is signed in')))
  const headers = useEffectEvent(() => options?.headers ?? {})
  const onRequest = useEffectEvent((event: KnowledgeRequestEvent) => options?.onRequest(event))
  const onResponse = useEffectEvent((event: KnowledgeResponseEvent) => options?.onResponse(event))
  const onResync = useEffectEvent((claim: (eventId: string) => boolean) => options?.onResync(claim))
  const onRefused = useEffectEvent((error: RefusedError) => options?.onRefused?.(error))

  useEffect(() => {
    if (person === null) return undefined
    const live = new Live({
      read: () => read(),
      headers: () => headers(),
      onRequest: (event) => onRequest(event),
      onResponse: (event) => onResponse(event),
      onResync: (claim) => onResync(claim),
      onRefused: (error) => onRefused(error),
      onChange: (result) => setCurrent({ person, ...result }),
    })
    // StrictMode unmounts and mounts again before any microtask runs, and so makes one connection and not two.
    queueMicrotask(() => live.start())
    return () => {
      live.end()
      setCurrent(NOTHING)
    }
  }, [person])

  return current.person === person ? current : NOTHING
}

const NOTHING = { person: null, state: 'initialized', problem: null, pusher: null, check: () => {} } as const

function identityOf(options: PusherConnectionOptions): string {
  const { key, cluster, host, port, tls, channel, authEndpoint, noticeChannel } = options
  const identity = { key, cluster, host, port, tls, channel, authEndpoint, noticeChannel }
  return JSON.stringify(identity)
}

interface Listener extends Pick<UsePusherOptions, 'read' | 'onRequest' | 'onResponse'> {
  headers(): Record<string, string>
  onResync(claim: (eventId: string) => boolean): unknown
  onRefused(error: RefusedError): void
  onChange(result: UsePusherResult): void
}

/** Live keeps one person connected: it makes a connection, and another one whenever the server's settings ask for it. */
class Live {
  readonly #listener: Listener
  readonly #retries = new Retries()
  readonly #claim = onlyOnce(KNOWN_EVENTS)
  #connection: Connection | null = null
  #blocked: string | null = null // the identity that the page's policy does not allow
  #isReading = false
  #isStale = true // the settings may have changed since they were read
  #reads = 0 // since the channel was last joined for long
  #lastRead = -Infinity
  #next: { at: number; timer: ReturnType<typeof setTimeout> } | null = null
  #joinedAt: number | null = null
  #problem: LiveProblem | null = null
  #problemTimer: ReturnType<typeof setTimeout> | undefined
  #ended = false

  constructor(listener: Listener) {
    this.#listener = listener
  }

  start(): void {
    if (this.#ended) return
    window.addEventListener('online', this.#onOnline)
    document.addEventListener('securitypolicyviolation', this.#onViolation)
    this.#changed()
    void this.#read()
  }

  end(): void {
    this.#ended = true
    window.removeEventListener('online', this.#onOnline)
    document.removeEventListener('securitypolicyviolation', this.#onViolation)
    this.#retries.end()
    this.#cancelRead()
    clearTimeout(this.#problemTimer)
    this.#release()
  }

  #hasEnded(): boolean {
    return this.#ended
  }

  readonly check = (): void => {
    this.#isStale = true
    this.#readWithin(Math.max(0, this.#lastRead + CHECK_PAUSE - performance.now()))
  }

  readonly #onOnline = () => {
    if (this.#joinedAt === null) this.check()
  }

  readonly #onViolation = ({ disposition, effectiveDirective, blockedURI }: SecurityPolicyViolationEvent) => {
    const connection = this.#connection
    if (!connection || disposition === 'report' || effectiveDirective !== 'connect-src') return
    if (!isAddressOf(connection.options, blockedURI)) return
    this.#blocked = connection.identity
    this.#release()
    this.#suspect()
  }

  /** suspect has the settings read again: soon at first, and ever less often while that does not help. */
  #suspect(): void {
    this.#forgetReads()
    this.#isStale = true
    this.#changed()
    this.#readWithin(this.#reads === 0 ? Math.random() * FIRST_SPREAD : backoff(this.#reads, SLOWEST_READ))
  }

  #forgetReads(): void {
    if (this.#joinedAt !== null && performance.now() - this.#joinedAt > SETTLED) this.#reads = 0
  }

  #readWithin(delay: number): void {
    if (this.#ended) return
    const at = performance.now() + delay
    if (this.#next && this.#next.at <= at) return
    this.#cancelRead()
    this.#next = { at, timer: setTimeout(() => void this.#read(), delay) }
  }

  #cancelRead(): void {
    clearTimeout(this.#next?.timer)
    this.#next = null
  }

  async #read(): Promise<void> {
    this.#cancelRead()
    if (this.#hasEnded() || this.#isReading) return
    this.#isReading = true
    this.#isStale = false
    this.#reads += 1
    this.#lastRead = performance.now()
    const options = await this.#ask()
    this.#isReading = false
    if (this.#hasEnded()) return
    if (options) this.#use(options)
    else this.#isStale = true
    this.#changed()
    if (this.#isStale) this.#readWithin(backoff(this.#reads, SLOWEST_READ))
    if (options && this.#problem) await this.#catchUp()
  }

  async #ask(): Promise<PusherConnectionOptions | null> {
    try {
      return await this.#listener.read()
    } catch {
      return null // it is asked again
    }
  }

  /** catchUp reads what would have come live. */
  async #catchUp(): Promise<void> {
    try {
      await this.#listener.onResync(this.#claim)
    } catch {
      // The next read brings it again.
    }
  }

  #use(options: PusherConnectionOptions): void {
    const identity = identityOf(options)
    if (identity === this.#blocked) return
    this.#blocked = null
    const connection = this.#connection
    if (connection?.identity === identity && !connection.isOver) {
      connection.rejoin()
      return
    }
    this.#release()
    this.#connection = new Connection(options, this.#listener, {
      retries: this.#retries,
      claim: this.#claim,
      onChange: () => this.#changed(),
      onSuspicion: () => this.#suspect(),
    })
    this.#connection.open()
  }

  #release(): void {
    this.#connection?.release()
    this.#connection = null
  }

  /** changed reports the state, and sees to it that something will be done as long as nothing is live. */
  #changed(): void {
    if (this.#ended) return
    const connection = this.#connection
    if (connection?.isJoined) {
      this.#joinedAt ??= performance.now()
      clearTimeout(this.#problemTimer)
      this.#problemTimer = undefined
      this.#problem = null
      if (!this.#isStale) this.#cancelRead()
    } else {
      this.#forgetReads()
      this.#joinedAt = null
      this.#problemTimer ??= setTimeout(() => {
        this.#problem ??= 'off'
        this.#changed()
      }, PROBLEM_PATIENCE)
      if (this.#blocked) this.#problem = 'blocked'
      else if (this.#problem === 'blocked') this.#problem = 'off'
      if (!this.#isReading) this.#readWithin(Math.max(JOIN_PATIENCE, backoff(this.#reads, SLOWEST_READ)))
    }
    this.#listener.onChange({
      state: connection?.state ?? (this.#blocked || this.#problem ? 'unavailable' : 'connecting'),
      problem: this.#problem,
      pusher: connection && !connection.isOver ? connection.pusher : null,
      check: this.check,
    })
  }
}

interface ConnectionContext {
  retries: Retries
  claim: (eventId: string) => boolean
  onChange: () => void
  /** Called when the settings may be out of date. */
  onSuspicion: () => void
}

/** Connection is one pusher-js instance, and the person's channel on it. */
class Connection {
  readonly options: PusherConnectionOptions
  readonly identity: string
  readonly pusher: Pusher
  readonly #listener: Listener
  readonly #context: ConnectionContext
  #channel: Channel | null = null
  #refusal: RefusedError | null = null // why Pusher is about to end the connection
  #refused: { status: number | undefined } | null = null // what authEndpoint said, until it grants the channel
  #joins = 0

  constructor(options: PusherConnectionOptions, listener: Listener, context: ConnectionContext) {
    this.options = options
    this.identity = identityOf(options)
    this.#listener = listener
    this.#context = context
    this.pusher = connect(options, () => listener.headers(), context.retries)
  }

  open(): void {
    this.pusher.connection.bind('state_change', this.#onState)
    this.pusher.connection.bind('error', this.#onError)
    this.#join()
    const { noticeChannel } = this.options
    if (noticeChannel) this.pusher.subscribe(noticeChannel).bind('realtime-changed', this.#context.onSuspicion)
  }

  get isJoined(): boolean {
    return this.pusher.connection.state === 'connected' && this.#channel?.subscribed === true
  }

  /** isOver says that Pusher has ended the connection for good. */
  get isOver(): boolean {
    return this.pusher.connection.state === 'disconnected'
  }

  get state(): LiveState {
    const state = this.pusher.connection.state as LiveState | 'disconnected'
    if (state === 'disconnected') return 'unavailable'
    if (state !== 'connected' || this.isJoined) return state
    return this.#refused ? 'unavailable' : 'connecting'
  }

  /** rejoin joins the channel if it was refused. */
  rejoin(): void {
    if (!this.#refused || !this.#channel || this.#channel.subscribed || this.#channel.subscriptionPending) return
    if (this.pusher.connection.state === 'connected') this.#channel.subscribe()
  }

  release(): void {
    const { pusher } = this
    this.#channel?.unbind_all()
    pusher.connection.unbind('state_change', this.#onState)
    pusher.connection.unbind('error', this.#onError)
    for (const { name } of pusher.allChannels()) if (this.#isOurs(name)) pusher.unsubscribe(name)
    this.#channel = null
    pusher.disconnect()
    // After a close with 4100 pusher-js has two timers, of which disconnect() knows one. The other would connect again.
    pusher.connection.connect = () => {}
    const index = Pusher.instances.indexOf(pusher)
    if (index !== -1) Pusher.instances.splice(index, 1)
  }

  #isOurs(name: string): boolean {
    return name === this.options.channel || name === this.options.noticeChannel
  }

  #join(): void {
    const { claim, onChange, onSuspicion } = this.#context
    const listener = this.#listener
    const channel = this.pusher.subscribe(this.options.channel)
    this.#channel = channel
    channel.bind('knowledge-request', (data: unknown) => {
      if (isRequest(data) && claim(data.eventId)) listener.onRequest(data)
    })
    channel.bind('knowledge-response', (data: unknown) => {
      if (isResponse(data) && claim(data.eventId)) listener.onResponse(data)
    })
    channel.bind('pusher:subscription_succeeded', () => {
      this.#refused = null
      this.#joins += 1
      onChange()
      void this.#resync(channel, this.#joins, 0)
    })
    channel.bind('pusher:subscription_error', ({ status, error }: { status?: number; error?: string }) => {
      channel.subscriptionPending = false // pusher-js leaves it if it is Pusher itself that refuses
      const isNews = !this.#refused || this.#refused.status !== status
      this.#refused = { status }
      if (isNews) listener.onRefused(new RefusedError(error ?? `${channel.name} is refused`, { status }))
      onSuspicion()
    })
  }

  async #resync(channel: Channel, join: number, attempt: number): Promise<void> {
    try {
      await this.#listener.onResync(this.#context.claim)
    } catch {
      if (join !== this.#joins || !channel.subscribed) return
      this.#context.retries.after(attempt, () => void this.#resync(channel, join, attempt + 1))
    }
  }

  readonly #onState = ({ current }: { current: string }) => {
    if (current !== 'connected') this.#context.retries.stop()
    this.#context.onChange()
    if (current === 'disconnected' && this.#refusal) this.#listener.onRefused(this.#refusal)
    this.#refusal = null
    if (['disconnected', 'unavailable', 'failed'].includes(current)) this.#context.onSuspicion()
  }

  readonly #onError = (error: unknown) => {
    this.#refusal = refusalOf(error) ?? this.#refusal
  }
}

/** isAddressOf says whether a URL, as a violation of the page's policy names it, is that of a connection's WebSocket. */
function isAddressOf({ cluster, host, port }: PusherConnectionOptions, url: string): boolean {
  if (!URL.canParse(url)) return false
  const blocked = new URL(url)
  if (!['ws:', 'wss:'].includes(blocked.protocol)) return false
  const expected = new URL(`${blocked.protocol}//${bracketed(host || `ws-${cluster}.pusher.com`)}:${port || ''}`)
  return blocked.host === expected.host
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
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

/** backoff is how long to wait, in ms, after so many attempts: spread, because else all come back to a server at once. */
function backoff(attempts: number, slowest: number): number {
  return Math.min(FIRST_RETRY * 2 ** attempts, slowest) * (0.75 + Math.random() / 4)
}

/** Retries are timers that wait ever longer, and end together. */
class Retries {
  #timers = new Set<ReturnType<typeof setTimeout>>()
  #ended = false

  after(attempts: number, run: () => void): void {
    if (this.#ended) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, backoff(attempts, SLOWEST_RETRY))
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
