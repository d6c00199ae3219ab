import { Connection, identityOf, isAddressOf } from './connection.js'
import { onlyOnce } from './only-once.js'
import type { Identified, LiveOptions, LiveProblem, PusherConnectionOptions } from './options.js'
import { backoff, Retries } from './retries.js'

const SLOWEST_READ = 60_000 // ms
const FIRST_SPREAD = 300 // ms: a server that has restarted is not asked by all pages at once

/** How many events are known at a time. Repeats come within minutes, and a page of notifications has at most 100. */
const KNOWN_EVENTS = 1000

/** How long, in ms, pusher-js may take to join before the settings are read again. */
const JOIN_PATIENCE = 10_000
/** How long, in ms, nothing may be live before it is called a problem. */
const PROBLEM_PATIENCE = 20_000
/** A channel that was joined for this long, in ms, was really live: the next failure is a first one. */
const SETTLED = 30_000
/** The least time, in ms, between two reads that `check` asks for. */
const CHECK_PAUSE = 2_000

/**
 * Live listens on one person's channel from `start` to `end`, and never stops listening silently. It makes a
 * connection, and another one whenever the server's settings ask for it.
 *
 * - There is one pusher-js instance at a time. It is made anew only if `read` gives other values or Pusher ended the
 *   connection for good.
 * - `read` is called again when the channel is refused, when Pusher ends the connection for good, when there is no
 *   connection for 10 s, when the server says that it starts or stops, when the browser is online again, and when
 *   `check` is called. Failures back off, with jitter. Nothing is read while the channel is joined.
 * - Each event is reported once, in the order of arrival; a repeat, known by its `eventId`, is dropped, and so is what
 *   is no such event.
 * - `end` releases everything: the channel is left, the connection closed, and no timer goes on. After it an instance
 *   cannot be started again.
 * - pusher-js reconnects by itself, at once when the browser says that it is online. An authorization that fails for
 *   want of a network or a working server is tried again, for every channel of the instance.
 */
export class Live<Events extends Identified<Events>> {
  readonly #options: LiveOptions<Events>
  readonly #retries = new Retries()
  readonly #claim = onlyOnce(KNOWN_EVENTS)
  #connection: Connection<Events> | null = null
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

  constructor(options: LiveOptions<Events>) {
    this.#options = options
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
      return await this.#options.read()
    } catch {
      return null // it is asked again
    }
  }

  /** catchUp reads what would have come live. */
  async #catchUp(): Promise<void> {
    try {
      await this.#options.onResync(this.#claim)
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
    this.#connection = new Connection(options, this.#options, {
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
    this.#options.onChange?.({
      state: connection?.state ?? (this.#blocked || this.#problem ? 'unavailable' : 'connecting'),
      problem: this.#problem,
      pusher: connection && !connection.isOver ? connection.pusher : null,
      check: this.check,
    })
  }
}
