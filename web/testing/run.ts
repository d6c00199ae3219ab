import { inject, onTestFinished, vi } from 'vitest'

import { Gate } from './gate'
import { Line } from './line'
import { Server } from './server'

/** sharedServer is one for all tests. */
export function sharedServer(): Server {
  return new Server(inject('serverUrl'))
}

/** startServer is a server that ends with the test. */
export async function startServer(env: Record<string, string> = {}): Promise<Server> {
  const server = await Server.start(inject('lorebridge'), env)
  onTestFinished(() => server.stop())
  return server
}

/** openLine is a wire that ends with the test. */
export async function openLine({ url }: Server): Promise<Line> {
  const line = await Line.to(url)
  onTestFinished(() => line.close())
  return line
}

/** openGate is a gate that ends with the test. */
export async function openGate({ url }: Server): Promise<Gate> {
  const gate = await Gate.before(url)
  onTestFinished(() => gate.close())
  return gate
}

/** until waits for what assert asserts. */
export function until(assert: () => unknown): Promise<unknown> {
  return vi.waitFor(assert, { timeout: 10_000, interval: 10 })
}
