import { CombinedGraphQLErrors, ServerError } from '@apollo/client/errors'

/** PlainError is an error whose message is meant for the person in front of the screen. */
export class PlainError extends Error {}

/** codeOf is the `extensions.code` of the first error that the server sent. */
export function codeOf(error: unknown): string | undefined {
  const code = CombinedGraphQLErrors.is(error) ? error.errors[0]?.extensions?.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** isMissing says whether an id leads to nothing that the viewer may see, also because it is no id at all. */
export function isMissing(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'NOT_FOUND' || code === 'BAD_USER_INPUT'
}

/** messageOf says what went wrong, and what to do, in words for the person in front of the screen. */
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
  // What fetch throws where there is no answer.
  if (error instanceof TypeError) return 'The server cannot be reached. Check your connection and try again.'
  return 'Something went wrong in this page. Load it again.'
}

/** fieldErrorOf is the message for one field of a form, where the server refused that field. */
export function fieldErrorOf(error: unknown, field: string): string | undefined {
  if (!CombinedGraphQLErrors.is(error)) return undefined
  const refused = error.errors.find((e) => e.extensions?.code === 'BAD_USER_INPUT' && e.extensions.field === field)
  return refused && sentence(refused.message.replace(`${field}: `, ''))
}

/** later says that the server cannot answer just now, and when to try again. */
function later(seconds: unknown): string {
  const when = typeof seconds === 'number' && seconds > 0 ? `in ${seconds} seconds` : 'in a moment'
  return `The server cannot read or save anything just now. Please try again ${when}.`
}

function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1)
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/**
 * handledElsewhere is for `catch` where nothing is left to do: the hook that met the error has put it on the screen, or
 * what comes next makes it good.
 */
export const handledElsewhere = () => ({ data: undefined })
