import { CombinedGraphQLErrors, ServerError } from '@apollo/client/errors'

/** codeOf is the `extensions.code` of the first error that the server sent. */
export function codeOf(error: unknown): string | undefined {
  const code = CombinedGraphQLErrors.is(error) ? error.errors[0]?.extensions?.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** messageOf says what went wrong, and what to do, in words for the person in front of the screen. */
export function messageOf(error: unknown): string {
  if (CombinedGraphQLErrors.is(error)) {
    const first = error.errors[0]
    if (first?.extensions?.code === 'INTERNAL') return 'Something went wrong on the server. Please try again.'
    if (first) return sentence(first.message)
  }
  if (ServerError.is(error)) return `The server answered with ${error.statusCode}. Please try again in a moment.`
  return 'The server cannot be reached. Check your connection and try again.'
}

/** fieldErrorOf is the message for one field of a form, where the server refused that field. */
export function fieldErrorOf(error: unknown, field: string): string | undefined {
  if (!CombinedGraphQLErrors.is(error)) return undefined
  const refused = error.errors.find((e) => e.extensions?.code === 'BAD_USER_INPUT' && e.extensions.field === field)
  return refused && sentence(refused.message.replace(`${field}: `, ''))
}

function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1)
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/** shown is for `catch` where the error is on the screen already, by the hook that met it. */
export const shown = () => ({ data: undefined })
