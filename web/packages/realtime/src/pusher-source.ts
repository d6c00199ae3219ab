import type { Pusher } from './pusher.js'

/** PusherSource is where a ChannelsLink, made once, finds the connection of whoever is signed in. */
export class PusherSource {
  #pusher: Pusher | null = null
  #waiting: ((pusher: Pusher) => void)[] = []

  /** set gives the connection, also to those who wait; null takes it back. */
  set(pusher: Pusher | null) {
    this.#pusher = pusher
    if (pusher) this.#waiting.splice(0).forEach((resolve) => resolve(pusher))
  }

  /** get resolves once there is a connection that has not ended for good. */
  get = (): Promise<Pusher> =>
    this.#pusher && this.#pusher.connection.state !== 'disconnected'
      ? Promise.resolve(this.#pusher)
      : new Promise((resolve) => this.#waiting.push(resolve))
}
