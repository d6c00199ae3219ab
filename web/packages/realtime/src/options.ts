import type { Pusher, PusherClass } from './pusher.js'
import type { RefusedError } from './refused-error.js'

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
  /** A public channel. An event on it says that the server starts or stops: all of these may be others then. */
  noticeChannel?: string | null | undefined
}

/** What each event has: a repeat is known by its `eventId`. */
export type Identified<Events> = { [Name in keyof Events]: { eventId: string } }

/** What makes `Live`. What may change is read whenever it is needed, so it can stand behind a getter. */
export interface LiveOptions<Events extends Identified<Events>> {
  /** The class of pusher-js. Where events are encrypted, it has to be that of `pusher-js/with-encryption`. */
  Pusher: PusherClass
  /**
   * Asks the server how to connect, by its query `realtime`. It is called at the start, and when the values may have
   * changed: never while all is well. If it rejects, it is called again later, ever less often up to every minute.
   */
  read(): Promise<PusherConnectionOptions>
  /** Sent to `authEndpoint`, such as a bearer token. Read at each authorization. */
  headers?: Record<string, string> | undefined
  /** The names of the channel's events, and for each the function that says whether what came is such an event. */
  events: { [Name in keyof Events]: (data: unknown) => data is Events[Name] }
  /** What to do with each event. */
  on: { [Name in keyof Events]: (event: Events[Name]) => void }
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
  /** Called when something of the result has changed. */
  onChange?(result: LiveResult): void
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

export interface LiveResult {
  state: LiveState
  problem: LiveProblem | null
  pusher: Pusher | null
  /** Calls `read`, and connects anew if anything has changed or is amiss: for a button, or when the page is shown. */
  check: () => void
}
