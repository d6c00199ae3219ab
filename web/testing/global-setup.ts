import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

import { Server } from './server'

declare module 'vitest' {
  interface ProvidedContext {
    /** The path of the Lorebridge to test against. */
    lorebridge: string
    /** Where one runs that all tests share. */
    serverUrl: string
  }
}

/** The binary is that of LOREBRIDGE_BIN, or built from the sources that these tests belong to. */
export default async function setup({ provide, config }: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'lorebridge-build-'))
  const binary = process.env.LOREBRIDGE_BIN ?? join(folder, 'lorebridge')
  if (!process.env.LOREBRIDGE_BIN) {
    execFileSync('go', ['build', '-o', binary, '.'], { cwd: join(config.root, '..'), stdio: 'inherit' })
  }
  const server = await Server.start(binary)
  provide('lorebridge', binary)
  provide('serverUrl', server.url)
  return async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
