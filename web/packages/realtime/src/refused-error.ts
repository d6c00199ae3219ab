import { isObject } from './json.js'

/** A refusal: `status` is HTTP's, where a channel is not granted; `code` is Pusher's, where it ended the connection. */
export class RefusedError extends Error {
  readonly status: number | undefined
  readonly code: number | undefined

  constructor(message: string, { status, code }: { status?: number | undefined; code?: number | undefined } = {}) {
    super(message)
    this.name = 'RefusedError'
    this.status = status
    this.code = code
  }
}

/** refusalOf is the refusal in an `error` of a pusher-js connection, or null where pusher-js will connect again. */
export function refusalOf(error: unknown): RefusedError | null {
  if (!isObject(error)) return null
  if (isObject(error.error)) return refusalOf(error.error)
  if (!isObject(error.data)) return null
  const { code, message } = error.data
  // The ranges by which pusher-js gives up: 4000 asks for TLS, 4100 to 4299 to come again.
  if (typeof code !== 'number' || code <= 4000 || (code >= 4100 && code < 4300)) return null
  const reason = typeof message === 'string' && message ? message : 'no reason given'
  return new RefusedError(`Pusher refuses the connection: ${reason} (${code})`, { code })
}
