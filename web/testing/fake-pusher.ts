type Callback = (data: unknown) => void
type GlobalCallback = (event: string, data: unknown) => void

class Emitter {
  #callbacks = new Map<string, Set<Callback>>()
  #global = new Set<GlobalCallback>()

  bind(event: string, callback: Callback): this {
    this.#callbacks.set(event, (this.#callbacks.get(event) ?? new Set()).add(callback))
    return this
  }

  bind_global(callback: GlobalCallback): this {
    this.#global.add(callback)
    return this
  }

  unbind(event: string, callback: Callback): this {
    this.#callbacks.get(event)?.delete(callback)
    return this
  }

  unbind_all(): void {
    this.#callbacks.clear()
    this.#global.clear()
  }

  emit(event: string, data?: unknown): void {
    this.#global.forEach((callback) => callback(event, data))
    this.#callbacks.get(event)?.forEach((callback) => callback(data))
  }
}

class FakeConnection extends Emitter {
  state = 'connecting'
  connection = null
  connect = () => {}

  become(state: string): void {
    const previous = this.state
    this.state = state
    if (state === previous) return
    this.emit('state_change', { previous, current: state })
    this.emit(state)
  }
}

class FakeChannel extends Emitter {
  subscribed = false
  subscriptionPending = true
  subscriptions = 1
  readonly name: string

  constructor(name: string) {
    super()
    this.name = name
  }

  subscribe(): void {
    this.subscriptions += 1
    this.subscriptionPending = true
  }
}

/** FakePusher stands in for pusher-js in tests that let hours pass. The tests say what the server does. */
export class FakePusher {
  /** As pusher-js has them. */
  static instances: FakePusher[] = []
  static made: FakePusher[] = []
  readonly connection = new FakeConnection()
  readonly config = { channelAuthorizer: () => {} }
  readonly key: string
  #channels = new Map<string, FakeChannel>()

  constructor(key: string) {
    this.key = key
    FakePusher.instances.push(this)
    FakePusher.made.push(this)
  }

  subscribe(name: string): FakeChannel {
    const channel = this.#channels.get(name) ?? new FakeChannel(name)
    this.#channels.set(name, channel)
    return channel
  }

  unsubscribe(name: string): void {
    this.#channels.delete(name)
  }

  channel(name: string): FakeChannel {
    const channel = this.#channels.get(name)
    if (!channel) throw new Error(`nobody subscribes to ${name}`)
    return channel
  }

  allChannels(): FakeChannel[] {
    return [...this.#channels.values()]
  }

  disconnect(): void {
    for (const channel of this.allChannels()) channel.subscribed = false
    this.connection.become('disconnected')
  }

  join(name: string): void {
    this.connection.become('connected')
    Object.assign(this.channel(name), { subscribed: true, subscriptionPending: false })
    this.channel(name).emit('pusher:subscription_succeeded', {})
  }

  /** refuse is authEndpoint's answer for a channel, after a reconnect. */
  refuse(name: string, status: number): void {
    this.connection.become('connecting')
    this.connection.become('connected')
    Object.assign(this.channel(name), { subscribed: false, subscriptionPending: false })
    this.channel(name).emit('pusher:subscription_error', { type: 'AuthError', error: 'no', status })
  }

  /** endFor is Pusher's end of the connection, for good. */
  endFor(code: number): void {
    this.connection.emit('error', { error: { data: { code, message: 'no' } } })
    this.disconnect()
  }
}
