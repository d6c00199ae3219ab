import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, createHmac } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const app = { id: '1', key: 'a-key-for-tests', secret: 'a-secret-for-tests' }

const environment = {
  GORACE: 'halt_on_error=1 atexit_sleep_ms=0', // the race detector would let each exit wait a second
  LISTEN_ADDR: '127.0.0.1:0',
  PUSHER_APP_ID: app.id,
  PUSHER_KEY: app.key,
  PUSHER_SECRET: app.secret,
  CORS_ORIGINS: 'http://localhost:3000', // jsdom's
  ADMIN_EMAILS: 'root@example.com',
  // Tests make people and requests faster than people do.
  SIGN_INS_PER_ADDRESS: '100000',
  SIGN_INS_PER_ACCOUNT: '100000',
  SIGN_UPS_PER_ADDRESS: '100000',
  REQUESTS_PER_MINUTE: '100000',
}

const running = new Set<ChildProcess>()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

/** Server is Lorebridge itself. */
export class Server {
  readonly url: string
  readonly #end: () => Promise<void>

  constructor(url: string, end: () => Promise<void> = () => Promise.resolve()) {
    this.url = url
    this.#end = end
  }

  /** start runs the binary in a folder of its own, at an address that nobody has. */
  static async start(binary: string, env: Record<string, string> = {}): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), 'lorebridge-web-'))
    const { PATH, HOME } = process.env
    const child = spawn(binary, [], {
      cwd: folder, env: { PATH, HOME, ...environment, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(child)
    let log = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text
    })
    const closed = new Promise<void>((resolve) => {
      child.once('close', () => {
        running.delete(child)
        resolve()
      })
    })
    const url = await new Promise<string>((resolve, reject) => {
      child.once('error', reject)
      void closed.then(() => reject(new Error(`the server ended before it listened:\n${log}`)))
      createInterface({ input: child.stdout }).on('line', (line) => {
        const announced = /^Lorebridge is running at (\S+)$/.exec(line)?.[1]
        if (announced) resolve(announced)
      })
    })
    return new Server(url, async () => {
      child.kill('SIGTERM')
      await closed
      await rm(folder, { recursive: true, force: true })
    })
  }

  /** stop ends it in good order: sockets are closed with 4100. */
  stop(): Promise<void> {
    return this.#end()
  }

  /** publish sends an event as Pusher's HTTP API does for those who have the secret. */
  async publish(channel: string, name: string, data: unknown): Promise<void> {
    await this.#call('POST', 'events', { name, channels: [channel], data: JSON.stringify(data) })
  }

  /** channels are those that somebody has joined. */
  async channels(): Promise<string[]> {
    return Object.keys((await this.#call('GET', 'channels')).channels as object)
  }

  async #call(method: string, what: string, content?: object): Promise<Record<string, unknown>> {
    const path = `/apps/${app.id}/${what}`
    const body = content && JSON.stringify(content)
    const query = new URLSearchParams({
      auth_key: app.key,
      auth_timestamp: String(Math.floor(Date.now() / 1000)),
      auth_version: '1.0',
      ...(body && { body_md5: createHash('md5').update(body).digest('hex') }),
    })
    const signed = `${method}\n${path}\n${query}`
    query.set('auth_signature', createHmac('sha256', app.secret).update(signed).digest('hex'))
    const response = await fetch(`${this.url}${path}?${query}`, { method, ...(body && { body }) })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as Record<string, unknown>
  }
}
