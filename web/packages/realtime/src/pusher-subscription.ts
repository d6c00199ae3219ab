import type { ApolloLink } from '@apollo/client'
import type { Channel } from 'pusher-js'
import type { Subscriber, Subscription } from 'rxjs'

import { gunzip } from './gunzip.js'
import { isObject } from './json.js'
import { onlyOnce } from './only-once.js'
import type { Pusher } from './pusher.js'
import { refusalOf, RefusedError } from './refused-error.js'

type Result = ApolloLink.Result

interface PusherSubscriptionOptions {
  getPusher: () => Pusher | Promise<Pusher>
  operation: ApolloLink.Operation
  forward: ApolloLink.ForwardFunction
  observer: Subscriber<Result>
}

/** What arrives as the event `update`. */
interface Update {
  more: boolean
  result?: unknown
  compressed_result?: unknown
  fetch?: unknown
}

const KNOWN_RESULTS = 1000 // repeats come from the last minutes: the server sends again at most 50
const JOIN_WITHIN = 50_000 // ms from the answer; the server waits for a minute
const FETCH_WITHIN = 30_000 // ms; what follows waits for it

/** PusherSubscription is one subscription of a ChannelsLink, from its request to its end. */
export class PusherSubscription {
  readonly #getPusher: () => Pusher | Promise<Pusher>
  readonly #operation: ApolloLink.Operation
  readonly #forward: ApolloLink.ForwardFunction
  readonly #observer: Subscriber<Result>
  readonly #isNew = onlyOnce(KNOWN_RESULTS)
  readonly #stopped = new AbortController()
  #queue = Promise.resolve() // of what is told: reading a result can take a while, and the next one waits
  #pusher: Pusher | null = null
  #refusal: RefusedError | null = null // why Pusher is about to end the connection
  #registering: Subscription | null = null
  #channel: Channel | null = null
  #hasJoined = false // the channel, at least once
  #answeredAt = 0
  #answeredBy = '' // the URL

  constructor({ getPusher, operation, forward, observer }: PusherSubscriptionOptions) {
    this.#getPusher = getPusher
    this.#operation = operation
    this.#forward = forward
    this.#observer = observer
  }

  /** start subscribes. What comes of it is given to the observer until stop is called. */
  async start(): Promise<void> {
    const pusher = await this.#nextPusher()
    if (!pusher) return
    if (isOver(pusher)) this.#end(new RefusedError(`Pusher is ${pusher.connection.state}`))
    else this.#listen(pusher, false)
  }

  /** stop leaves nothing behind. It is called once the observer has been given the end, or wants no more. */
  stop(): void {
    this.#stopped.abort()
    this.#release()
  }

  /** moveOn goes on with another connection, if there is one in place of that which has ended. */
  async #moveOn(refusal?: RefusedError): Promise<void> {
    const ended = this.#pusher
    this.#release()
    const pusher = await this.#nextPusher()
    if (!pusher) return
    if (pusher === ended || isOver(pusher)) this.#end(refusal)
    else this.#listen(pusher, true)
  }

  /** nextPusher is the connection to listen with, or null if nothing is to be done with one any more. */
  async #nextPusher(): Promise<Pusher | null> {
    try {
      const pusher = await this.#getPusher()
      return this.#isStopped ? null : pusher
    } catch (error) {
      this.#end(error)
      return null
    }
  }

  #listen(pusher: Pusher, again: boolean): void {
    this.#pusher = pusher
    this.#refusal = null
    pusher.connection.bind('connected', this.#onConnected)
    pusher.connection.bind('disconnected', this.#onDisconnected)
    pusher.connection.bind('failed', this.#onFailed)
    pusher.connection.bind('error', this.#onError)
    this.#register(again)
  }

  #release(): void {
    this.#registering?.unsubscribe()
    this.#leave()
    this.#pusher?.connection
      .unbind('connected', this.#onConnected)
      .unbind('disconnected', this.#onDisconnected)
      .unbind('failed', this.#onFailed)
      .unbind('error', this.#onError)
  }

  get #isStopped(): boolean {
    return this.#stopped.signal.aborted
  }

  #register(again: boolean): void {
    let answered = false
    this.#registering = this.#forward(this.#operation).subscribe({
      next: (answer) => {
        if (answered) return
        answered = true
        this.#take(answer, again)
      },
      error: (error) => this.#end(error),
      complete: () => {
        if (!answered) this.#end()
      },
    })
  }

  #take(answer: Result, again: boolean): void {
    const name = channelOf(answer)
    if (name === null) {
      this.#inOrder(() => this.#observer.next(answer))
      this.#end()
      return
    }
    if (again) this.#inOrder(() => this.#observer.next(gap('the connection was away for longer than the server waits')))
    if (hasData(answer)) this.#inOrder(() => this.#observer.next(answer))
    this.#answeredAt = performance.now()
    this.#answeredBy = (this.#operation.getContext().response as Response | undefined)?.url ?? ''
    this.#join(name)
  }

  #join(name: string): void {
    let channel: Channel | undefined
    try {
      channel = this.#pusher?.subscribe(name)
    } catch (error) {
      this.#end(error) // the channel is encrypted, and this build of pusher-js cannot read it
    }
    if (!channel) return
    this.#channel = channel
    this.#hasJoined = false
    channel.bind('update', (payload: unknown) => this.#update(name, payload))
    channel.bind('pusher:subscription_succeeded', () => {
      this.#hasJoined = true
    })
    channel.bind('pusher:subscription_error', ({ status, error }: { status?: number; error?: string }) => {
      const isLate = this.#hasJoined || performance.now() - this.#answeredAt > JOIN_WITHIN
      this.#leave()
      if (isLate) this.#register(true)
      else this.#end(new RefusedError(error ?? `${name} is refused`, { status }))
    })
  }

  #leave(): void {
    if (this.#pusher && this.#channel) leave(this.#pusher, this.#channel)
    this.#channel = null
  }

  /** A payload that is none of the protocol's is nothing, and not an end. */
  #update(channel: string, payload: unknown): void {
    if (!isObject(payload) || typeof payload.more !== 'boolean') return
    const update: Update = { ...payload, more: payload.more }
    this.#inOrder(async () => {
      const result = await this.#read(channel, update).catch(() => gap('a result could not be read'))
      if (this.#isStopped) return
      if (result) this.#observer.next(result)
      if (!update.more) this.#observer.complete()
    })
  }

  /** read is what an update has to tell, or null. It rejects where there is something that cannot be read. */
  async #read(channel: string, { result, compressed_result: packed, fetch }: Update): Promise<Result | null> {
    if (isObject(fetch)) {
      const { url, seq } = fetch
      if (typeof url !== 'string' || typeof seq !== 'number') throw new Error('nothing says where the result is')
      return this.#isNew(String(seq)) ? this.#fetch(url, channel, seq) : null
    }
    const whole = typeof packed === 'string' ? await gunzip(packed) : result
    if (!isObject(whole) || !('data' in whole || 'errors' in whole)) return null
    const told = whole as Result & Record<string, unknown>
    if (extensionsOf(told, 'SUBSCRIPTION_GAP')) return told
    const seq = seqOf(told)
    if (seq !== null && !this.#isNew(String(seq))) return null
    const tooLarge = extensionsOf(told, 'SUBSCRIPTION_PAYLOAD_TOO_LARGE')
    if (seq === null || typeof tooLarge?.fetch !== 'string') return told
    return this.#fetch(tooLarge.fetch, channel, seq).catch(() => told)
  }

  async #fetch(path: string, channel: string, seq: number): Promise<Result> {
    const url = new URL(path, this.#answeredBy)
    // What shows who is asking is for that server alone.
    if (url.origin !== new URL(this.#answeredBy).origin) throw new Error(`${url.origin} is somebody else`)
    url.searchParams.set('channel', channel)
    url.searchParams.set('seq', String(seq))
    const { headers: given, credentials = 'same-origin' } = this.#operation.getContext() as RequestInit
    const headers = new Headers(given)
    // Without it a cookie counts only where the browser says whose page asks.
    headers.set('Apollo-Require-Preflight', 'true')
    const response = await fetch(url, {
      headers,
      credentials,
      signal: AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(FETCH_WITHIN)]),
    })
    if (!response.ok) throw new Error(`${url.pathname} answers ${response.status}`)
    return (await response.json()) as Result
  }

  #inOrder(step: () => void | Promise<void>): void {
    this.#queue = this.#queue.then(() => (this.#isStopped ? undefined : step()))
  }

  /** What arrived before the end is told before it. */
  #end(error?: unknown): void {
    this.#inOrder(() => (error === undefined ? this.#observer.complete() : this.#observer.error(error)))
  }

  readonly #onConnected = () => {
    this.#refusal = null
  }

  readonly #onError = (error: unknown) => {
    this.#refusal = refusalOf(error) ?? this.#refusal
  }

  readonly #onDisconnected = () => void this.#moveOn(this.#refusal ?? undefined)

  readonly #onFailed = () => this.#end(new RefusedError('this browser has no way to connect to Pusher'))
}

/** isOver says whether a connection will never come back. */
function isOver({ connection: { state } }: Pusher): boolean {
  return state === 'disconnected' || state === 'failed'
}

/** leave makes sure that a channel is left for good, and that nothing of it is heard any more. */
function leave(pusher: Pusher, channel: Channel): void {
  const { connection } = pusher
  const settle = () => {
    channel.unbind_all()
    connection.unbind('connecting', settle)
    connection.unbind('disconnected', settle)
    channel.subscriptionPending = false // pusher-js leaves it where the server itself refuses
    pusher.unsubscribe(channel.name)
  }
  channel.unbind_all()
  if (!channel.subscriptionPending) {
    settle()
    return
  }
  // Left while it is being joined, pusher-js would join it again after a refusal or a reconnect.
  channel.bind('pusher:subscription_succeeded', settle)
  channel.bind('pusher:subscription_error', settle)
  connection.bind('connecting', settle)
  connection.bind('disconnected', settle)
}

function gap(message: string): Result {
  return { data: null, errors: [{ message, extensions: { code: 'SUBSCRIPTION_GAP' } }] } as Result
}

function channelOf({ extensions }: Result): string | null {
  const subscriptions: unknown = extensions?.lighthouse_subscriptions
  return isObject(subscriptions) && typeof subscriptions.channel === 'string' ? subscriptions.channel : null
}

function seqOf({ extensions }: Result): number | null {
  const subscription: unknown = extensions?.subscription
  return isObject(subscription) && typeof subscription.seq === 'number' ? subscription.seq : null
}

/** extensionsOf are those of the first error with this code. */
function extensionsOf({ errors }: Record<string, unknown>, code: string): Record<string, unknown> | null {
  if (!Array.isArray(errors)) return null
  for (const error of errors) {
    if (isObject(error) && isObject(error.extensions) && error.extensions.code === code) return error.extensions
  }
  return null
}

function hasData(result: Result): boolean {
  return 'data' in result && isObject(result.data) && Object.keys(result.data).length > 0
}
