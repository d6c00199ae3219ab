import { CombinedGraphQLErrors, ServerError } from '@apollo/client/errors'

/** PlainError is an error whose message is shown to the user. */
export class PlainError extends Error {}

/** codeOf returns the `extensions.code` of the first error from the server. */
export function codeOf(error: unknown): string | undefined {
  const code = CombinedGraphQLErrors.is(error) ? error.errors[0]?.extensions?.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** isMissing reports whether an id leads to nothing that the viewer may see, also because it is not a valid id. */
export function isMissing(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'NOT_FOUND' || code === 'BAD_USER_INPUT'
}

/** messageOf returns a message for the user: what went wrong, and what to do. */
export function messageOf(error: unknown): string {
  if (CombinedGraphQLErrors.is(error)) {
    const first = error.errors[0]
    if (first?.extensions?.code === 'INTERNAL') return 'Something went wrong on the server. Please try again.'
    if (first?.extensions?.code === 'UNAVAILABLE') return later(first.extensions.retryAfter)
    if (first) return sentence(first.message)
  }
  if (ServerError.is(error) && error.statusCode === 503) return later(Number(error.response.headers.get('Retry-After')))
  if (ServerError.is(error)) return `The server answered with ${error.statusCode}. Please try again in a moment.`
  if (error instanceof PlainError) return sentence(error.message)
  // fetch throws a TypeError if there is no answer.
  if (error instanceof TypeError) return 'The server cannot be reached. Check your connection and try again.'
  return 'Something went wrong in this page. Load it again.'
}

/** fieldErrorOf returns the message about one field of a form, if the server rejected that field. */
export function fieldErrorOf(error: unknown, field: string): string | undefined {
  if (!CombinedGraphQLErrors.is(error)) return undefined
  const rejected = error.errors.find((e) => e.extensions?.code === 'BAD_USER_INPUT' && e.extensions.field === field)
  return rejected && sentence(rejected.message.replace(`${field}: `, ''))
}

/** later returns the message that the server cannot answer now, with the time for a retry. */
function later(seconds: unknown): string {
  const when = typeof seconds === 'number' && seconds > 0 ? `in ${seconds} seconds` : 'in a moment'
  return `The server cannot read or save anything just now. Please try again ${when}.`
}

function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1)
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/**
 * handledElsewhere is for `catch` if nothing is left to do, because the hook with the error already shows it, or the
 * next attempt repairs it.
 */
export const handledElsewhere = () => ({ data: undefined })
