import type { ExecutionResult } from 'graphql'

export const endpoint = '/graphql'

/** A GraphQL request as it is sent. */
export interface Request {
  query: string
  operationName?: string
  variables?: Record<string, unknown>
}

/** The server's answer as JSON. */
export type Result = ExecutionResult<Record<string, unknown>, Record<string, unknown>>

/** An error without a stack, because GraphiQL would show the stack. */
export function plainError(message: string): Error {
  const error = new Error(message)
  delete error.stack
  return error
}

/** Returns the headers of the headers editor. Throws an error that names the wrong name or value. */
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

/** Sends a query or a mutation. GraphQL errors are in the result. Rejects if the answer is not a GraphQL result. */
export async function post(request: Request, headers = new Headers()): Promise<Result> {
  // With application/json an invalid document is answered with 200. Browsers write each 400 to the console as an
  // error of the page.
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

/** Returns the result in an answer. Rejects if there is none. */
export async function toResult(response: Response): Promise<Result> {
  const text = await response.text()
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null && ('data' in body || 'errors' in body)) return body as Result
  } catch {
    // handled below
  }
  throw plainError(`The server answered ${response.status} ${response.statusText} and not GraphQL.`)
}
