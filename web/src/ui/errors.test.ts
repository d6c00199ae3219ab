import { CombinedGraphQLErrors, ServerError } from '@apollo/client/errors'
import { describe, expect, it } from 'vitest'

import { codeOf, fieldErrorOf, isMissing, messageOf, PlainError } from './errors'

const rejected = (message: string, extensions?: Record<string, unknown>) =>
  new CombinedGraphQLErrors({ errors: [{ message, extensions }] })
const answered = (status: number, headers?: Record<string, string>) =>
  new ServerError('no', { response: new Response(null, { status, headers }), bodyText: '' })

describe('messageOf', () => {
  const cases: [what: string, error: unknown, message: string][] = [
    ['the message of the server, as a sentence', rejected('too many requests'), 'Too many requests.'],
    [
      'nothing of what went wrong inside of the server',
      rejected('internal', { code: 'INTERNAL' }),
      'Something went wrong on the server. Please try again.',
    ],
    [
      'when what passes is worth another try',
      rejected('the database cannot serve just now', { code: 'UNAVAILABLE', retryAfter: 2 }),
      'The server cannot read or save anything just now. Please try again in 2 seconds.',
    ],
    [
      'the same if that is the whole answer',
      answered(503, { 'Retry-After': '10' }),
      'The server cannot read or save anything just now. Please try again in 10 seconds.',
    ],
    [
      'the same without a time',
      answered(503),
      'The server cannot read or save anything just now. Please try again in a moment.',
    ],
    ['an answer of a server in between', answered(502), 'The server answered with 502. Please try again in a moment.'],
    [
      'that nothing answers',
      new TypeError('Failed to fetch'),
      'The server cannot be reached. Check your connection and try again.',
    ],
    ['a message for people', new PlainError('the channel is refused'), 'The channel is refused.'],
    ['nothing of a bug', new RangeError('Invalid length'), 'Something went wrong in this page. Load it again.'],
    ['nothing of what is no error', 'oh', 'Something went wrong in this page. Load it again.'],
  ]
  it.each(cases)('returns %s', (_, error, message) => expect(messageOf(error)).toBe(message))
})

describe('codeOf', () => {
  it('is the first code that the server sent, if any', () => {
    expect(codeOf(rejected('no', { code: 'NOT_FOUND' }))).toBe('NOT_FOUND')
    expect(codeOf(rejected('no', { code: 7 }))).toBeUndefined()
    expect(codeOf(rejected('no'))).toBeUndefined()
    expect(codeOf(new TypeError('no'))).toBeUndefined()
  })
})

describe('isMissing', () => {
  it('is true if an id leads nowhere, or is not valid', () => {
    expect(isMissing(rejected('no such item', { code: 'NOT_FOUND' }))).toBe(true)
    expect(isMissing(rejected('abc is not an id', { code: 'BAD_USER_INPUT' }))).toBe(true)
    expect(isMissing(rejected('no', { code: 'INTERNAL' }))).toBe(false)
    expect(isMissing(new TypeError('Failed to fetch'))).toBe(false)
    expect(isMissing(undefined)).toBe(false)
  })
})

describe('fieldErrorOf', () => {
  it('is the message for this field alone', () => {
    const error = rejected('email: is taken', { code: 'BAD_USER_INPUT', field: 'email' })
    expect(fieldErrorOf(error, 'email')).toBe('Is taken.')
    expect(fieldErrorOf(error, 'name')).toBeUndefined()
    expect(fieldErrorOf(new TypeError('no'), 'email')).toBeUndefined()
  })
})
