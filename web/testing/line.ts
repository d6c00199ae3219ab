import { createServer, connect, type Server, type Socket } from 'node:net'

/**
 * Line is the wire to a server. Cut, it is the tunnel that a train drives into: what was connected is gone, and whoever
 * connects anew gets no answer, neither yes nor no, until it is restored.
 */
export class Line {
  /** How many connections were begun, answered or not. */
  attempts = 0
  #target: { host: string; port: number }
  #server: Server
  #open = new Set<Socket>()
  #waiting = new Set<Socket>()
  #isCut = false

  private constructor(url: string) {
    const { hostname, port } = new URL(url)
    this.#target = { host: hostname, port: Number(port) }
    this.#server = createServer((client) => this.#take(client))
  }

  static async to(url: string): Promise<Line> {
    const line = new Line(url)
    await new Promise<void>((resolve) => line.#server.listen(0, '127.0.0.1', resolve))
    return line
  }

  get host(): string {
    return '127.0.0.1'
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the line is closed')
    return address.port
  }

  /** How many connections there are now. */
  get connections(): number {
    return this.#open.size / 2
  }

  cut(): void {
    this.#isCut = true
    for (const socket of this.#open) socket.destroy()
  }

  restore(): void {
    this.#isCut = false
    for (const client of this.#waiting) this.#connect(client)
    this.#waiting.clear()
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of [...this.#open, ...this.#waiting]) socket.destroy()
    await closed
  }

  #take(client: Socket): void {
    this.attempts += 1
    client.on('error', () => {}) // the close that follows tells enough
    if (!this.#isCut) {
      this.#connect(client)
      return
    }
    this.#waiting.add(client)
    client.once('close', () => this.#waiting.delete(client))
  }

  #connect(client: Socket): void {
    const server = connect(this.#target)
    server.on('error', () => {})
    for (const [one, other] of [[client, server], [server, client]] as const) {
      this.#open.add(one)
      one.pipe(other)
      one.once('close', () => {
        this.#open.delete(one)
        other.destroy()
      })
    }
  }
}
