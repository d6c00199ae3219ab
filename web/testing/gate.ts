import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

/**
 * Gate stands before a server's HTTP. While it fails it answers POST with 503; while it holds, the answers wait until
 * it passes again.
 */
export class Gate {
  mode: 'pass' | 'fail' | 'hold' = 'pass'
  /** How many requests came. */
  requests = 0
  /** The paths that were posted to. */
  posts: string[] = []
  /** What lets go of each answer that waits. */
  held: (() => void)[] = []
  /** How many asked and did not wait for the answer. */
  aborted = 0
  #target: string
  #server: Server

  private constructor(target: string) {
    this.#target = target
    this.#server = createServer((question, answer) => this.#take(question, answer))
  }

  static async before(url: string): Promise<Gate> {
    const gate = new Gate(url)
    await new Promise<void>((resolve) => gate.#server.listen(0, '127.0.0.1', resolve))
    return gate
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the gate is closed')
    return `http://127.0.0.1:${address.port}`
  }

  pass(): void {
    this.mode = 'pass'
    for (const letGo of this.held.splice(0)) letGo()
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  #take(question: IncomingMessage, answer: ServerResponse): void {
    const { method, url, headers } = question
    const isPost = method === 'POST'
    this.requests += 1
    if (isPost) this.posts.push(url ?? '')
    if (isPost && this.mode === 'fail') {
      answer.writeHead(503, { 'Access-Control-Allow-Origin': headers.origin ?? '*' }).end()
      return
    }
    const onwards = request(`${this.#target}${url ?? ''}`, { method, headers }, (reply) => {
      const letGo = () => void reply.pipe(answer.writeHead(reply.statusCode ?? 502, reply.headers))
      if (isPost && this.mode === 'hold') this.held.push(letGo)
      else letGo()
    })
    onwards.on('error', () => answer.destroy())
    answer.on('close', () => {
      if (!answer.writableFinished) this.aborted += 1
      onwards.destroy()
    })
    question.pipe(onwards)
  }
}
