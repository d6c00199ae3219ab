import type { Channel } from 'pusher-js'

import type { Identified, LiveOptions, LiveState, PusherConnectionOptions } from './options.js'
import type { Pusher } from './pusher.js'
import { RefusedError, refusalOf } from './refused-error.js'
import type { Retries } from './retries.js'

// A dead connection shows after the sum of these at the latest: two minutes, the server's, are long for who waits.
const ACTIVITY_TIMEOUT = 30_000 // ms without a word until we ask for one
const PONG_TIMEOUT = 6_000 // ms

interface ConnectionContext {
  retries: Retries
  claim: (eventId: string) => boolean
  onChange: () => void
  /** Called when the settings may be out of date. */
  onSuspicion: () => void
}

/** Connection is one pusher-js instance, and the person's channel on it. */
export class Connection<Events extends Identified<Events>> {
  readonly options: PusherConnectionOptions
  readonly identity: string
  readonly pusher: Pusher
  readonly #live: LiveOptions<Events>
  readonly #context: ConnectionContext
  #channel: Channel | null = null
  #refusal: RefusedError | null = null // why Pusher is about to end the connection
  #refused: { status: number | undefined } | null = null // what authEndpoint said, until it grants the channel
  #joins = 0

  constructor(options: PusherConnectionOptions, live: LiveOptions<Events>, context: ConnectionContext) {
    this.options = options
    this.identity = identityOf(options)
    this.#live = live
    this.#context = context
    this.pusher = connect(options, live, context.retries)
  }

  open(): void {
    this.pusher.connection.bind('state_change', this.#onState)
    this.pusher.connection.bind('error', this.#onError)
    this.#join()
    const { noticeChannel } = this.options
    if (noticeChannel) this.pusher.subscribe(noticeChannel).bind_global(this.#onNotice)
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
    const { instances } = this.#live.Pusher
    const index = instances.indexOf(pusher)
    if (index !== -1) instances.splice(index, 1)
  }

  #isOurs(name: string): boolean {
    return name === this.options.channel || name === this.options.noticeChannel
  }

  #join(): void {
    const { onChange, onSuspicion } = this.#context
    const channel = this.pusher.subscribe(this.options.channel)
    this.#channel = channel
    channel.bind_global(this.#onEvent)
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
      if (isNews) this.#live.onRefused?.(new RefusedError(error ?? `${channel.name} is refused`, { status }))
      onSuspicion()
    })
  }

  async #resync(channel: Channel, join: number, attempt: number): Promise<void> {
    try {
      await this.#live.onResync(this.#context.claim)
    } catch {
      if (join !== this.#joins || !channel.subscribed) return
      this.#context.retries.after(attempt, () => void this.#resync(channel, join, attempt + 1))
    }
  }

  readonly #onEvent = (name: string, data: unknown) => {
    const { events, on } = this.#live
    if (!isOneOf(name, events)) return
    if (events[name](data) && this.#context.claim(data.eventId)) on[name](data)
  }

  readonly #onNotice = (name: string) => {
    if (!name.startsWith('pusher:')) this.#context.onSuspicion()
  }

  readonly #onState = ({ current }: { current: string }) => {
    if (current !== 'connected') this.#context.retries.stop()
    this.#context.onChange()
    if (current === 'disconnected' && this.#refusal) this.#live.onRefused?.(this.#refusal)
    this.#refusal = null
    if (['disconnected', 'unavailable', 'failed'].includes(current)) this.#context.onSuspicion()
  }

  readonly #onError = (error: unknown) => {
    this.#refusal = refusalOf(error) ?? this.#refusal
  }
}

function isOneOf<Events extends object>(name: PropertyKey, events: Events): name is keyof Events {
  return Object.hasOwn(events, name)
}

/** isAddressOf says whether a URL, as a violation of the page's policy names it, is that of the WebSocket. */
export function isAddressOf({ cluster, host, port }: PusherConnectionOptions, url: string): boolean {
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
function connect<Events extends Identified<Events>>(
  { key, cluster, host, port, tls, authEndpoint }: PusherConnectionOptions,
  live: LiveOptions<Events>,
  retries: Retries,
): Pusher {
  const pusher = new live.Pusher(key, {
    cluster: cluster ?? '',
    ...(host && {
      wsHost: host,
      // Over TLS 'ws' speaks it too; without, there is none to fall back on.
      enabledTransports: tls === false ? ['ws'] : ['ws', 'wss'],
    }),
    ...(port && { wsPort: port, wssPort: port }),
    ...(tls !== undefined && { forceTLS: tls }),
    channelAuthorization: { transport: 'ajax', endpoint: authEndpoint, headersProvider: () => live.headers ?? {} },
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

/** Browsers call it an error to write to a socket that is closing. pusher-js writes a moment late. */
function doNotWriteWhileClosing({ connection }: Pusher): void {
  const socket = (connection.connection as unknown as { transport?: { socket?: WebSocket } } | null)?.transport?.socket
  if (!socket) return
  const send = socket.send.bind(socket)
  socket.send = (data) => {
    if (socket.readyState === WebSocket.OPEN) send(data)
  }
}

/** isPassing returns true for a failure that can pass, and false for a rejected authorization. */
function isPassing(error: Error & { status?: number }): boolean {
  const { status } = error
  return status !== undefined && (status === 0 || status === 408 || status === 429 || status >= 500)
}

/** identityOf is the same for the same connection. */
export function identityOf(options: PusherConnectionOptions): string {
  const { key, cluster, host, port, tls, channel, authEndpoint, noticeChannel } = options
  const identity = { key, cluster, host, port, tls, channel, authEndpoint, noticeChannel }
  return JSON.stringify(identity)
}
