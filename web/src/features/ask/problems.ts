import { CombinedGraphQLErrors } from '@apollo/client/errors'

import { codeOf, messageOf } from '../../ui/errors'

interface Problem {
  title: string
  text: string
  /** A link to the next step. */
  link?: { to: string; label: string }
}

/**
 * problemOf returns why a question was not sent, and where to go from there. `itemId` is the requested item, if there
 * is one.
 */
export function problemOf(error: unknown, itemId?: string): Problem {
  const item = itemId && { to: `/library/${itemId}`, label: 'Read it' }
  switch (codeOf(error)) {
    case 'OWN_KNOWLEDGE':
      return { title: 'This is yours', text: 'There is nobody to ask for it.', ...(item && { link: item }) }
    case 'ALREADY_SHARED':
      return { title: 'You can read this already', text: 'It has been shared with you.', ...(item && { link: item }) }
    case 'NOT_FOUND':
      return itemId
        ? {
            title: 'This item is gone',
            text: 'Its owner has deleted it.',
            link: { to: '/library', label: 'To the library' },
          }
        : { title: 'This person is gone', text: 'There is no such account any more. Choose somebody else.' }
    case 'RATE_LIMITED':
      return { title: 'That was a lot of questions', text: `Try again ${waitOf(error)}. What you wrote stays here.` }
    default:
      return { title: 'It has not been sent', text: `${messageOf(error)} What you wrote stays here.` }
  }
}

function waitOf(error: unknown): string {
  const after = CombinedGraphQLErrors.is(error) ? error.errors[0]?.extensions?.retryAfter : undefined
  if (typeof after !== 'number') return 'in a minute'
  if (after > 90) return `in ${Math.ceil(after / 60)} minutes`
  return after === 1 ? 'in a second' : `in ${after} seconds`
}
