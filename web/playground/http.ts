import type { ExecutionResult } from 'graphql'

export const endpoint = '/graphql'

/** A GraphQL request, as it is sent. */
export interface Request {
  query: string
  operationName?: string
  variables?: Record<string, unknown>
}

/** What the server answered, as JSON has it. */
export type Result = ExecutionResult<Record<string, unknown>, Record<string, unknown>>

/** Without a stack: GraphiQL would show it. */
export function plainError(message: string): Error {
  const error = new Error(message)
  delete error.stack
  return error
}

/**
 * Headers as the headers editor has them. Throws what is wrong with a name or a value.
 */
export function toHeaders(written: Record<string, unknown> = {}): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(written)) {
    try {
      headers.set(name, String(value))
    } catch {
      throw plainError(`The header ${JSON.stringify(name)} cannot be sent: it has characters that are not allowed.`)
    }
  }
  return headers
}

/** Sends a query or a mutation. Errors of GraphQL are in the result; it rejects where the answer is not GraphQL's. */
export async function post(request: Request, headers = new Headers()): Promise<Result> {
  // For application/json a wrong document is 200: browsers write each 400 into the console as a fault of the page.
  const all = new Headers({ 'Content-Type': 'application/json', Accept: 'application/json' })
  headers.forEach((value, name) => all.set(name, value))
  let response: Response
  try {
    response = await fetch(endpoint, { method: 'POST', headers: all, body: JSON.stringify(request) })
  } catch {
    throw plainError('The server cannot be reached. Is it running?')
  }
  return toResult(response)
}

/** The result that an answer carries. Rejects where it carries none. */
export async function toResult(response: Response): Promise<Result> {
  const text = await response.text()
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null && ('data' in body || 'errors' in body)) return body as Result
  } catch {
    // told below
  }
  throw plainError(`The server answered ${response.status} ${response.statusText} and not GraphQL.`)
}
