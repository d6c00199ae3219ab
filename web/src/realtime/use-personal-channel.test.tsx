import { renderHook } from '@testing-library/react'
import { expect, it } from 'vitest'

import { Person } from '../../testing/person'
import { sharedServer, until } from '../../testing/run'
import type { KnowledgeRequestEvent, KnowledgeResponseEvent } from './events'
import { type PersonalChannelOptions, usePersonalChannel } from './use-personal-channel'

/** Received has the calls of a hook, in their order. */
class Received {
  requests: KnowledgeRequestEvent[] = []
  responses: KnowledgeResponseEvent[] = []
  resyncs = 0

  on: PersonalChannelOptions['on'] = {
    'knowledge-request': (event) => void this.requests.push(event),
    'knowledge-response': (event) => void this.responses.push(event),
  }
  onResync = (): void => {
    this.resyncs += 1
  }
}

/** listen mounts the hook for a person. */
function listen({ id: person, realtime, headers }: Person, { on, onResync }: Received) {
  const read = () => Promise.resolve(realtime)
  return renderHook(() => usePersonalChannel({ person, read, headers, on, onResync }))
}

async function joined(told: Received) {
  await until(() => expect(told.resyncs).toBe(1))
}

async function pair(): Promise<[Person, Person]> {
  return Promise.all([Person.signUp(sharedServer(), 'Ada'), Person.signUp(sharedServer(), 'Bob')])
}

it('reports requests and responses, in order', async () => {
  const [ada, bob] = await pair()
  const toAda = new Received()
  const toBob = new Received()
  listen(ada, toAda)
  const { result } = listen(bob, toBob)
  await Promise.all([joined(toAda), joined(toBob)])
  await until(() => expect(result.current.state).toBe('connected'))

  const questions = ['What is a monad?', 'And a functor?', 'And an applicative?']
  const ids: string[] = []
  for (const question of questions) ids.push(await ada.ask(bob, question))
  await until(() => expect(toBob.requests).toHaveLength(3))
  expect(toBob.requests.map(({ question }) => question)).toEqual(questions)
  expect(toBob.requests[0]).toEqual({
    type: 'knowledge-request', requestId: Number(ids[0]), question: questions[0], requesterName: 'Ada',
    createdAt: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/) as string,
    eventId: expect.stringMatching(/^\d+$/) as string,
  })

  await bob.answer(ids[0] ?? '', 'APPROVED', 'A burrito.')
  await bob.answer(ids[1] ?? '', 'DENIED')
  await until(() => expect(toAda.responses).toHaveLength(2))
  expect(toAda.responses).toEqual([
    expect.objectContaining({ requestId: Number(ids[0]), status: 'approved', responseContent: 'A burrito.' }),
    expect.objectContaining({ requestId: Number(ids[1]), status: 'denied' }),
  ])
  expect(toAda.responses[1]).not.toHaveProperty('responseContent')
  expect([toAda.requests, toBob.responses]).toEqual([[], []])
})

it('reports without its text what is too long for Pusher', async () => {
  const [ada, bob] = await pair()
  const toAda = new Received()
  const toBob = new Received()
  listen(ada, toAda)
  listen(bob, toBob)
  await Promise.all([joined(toAda), joined(toBob)])
  const id = await ada.ask(bob, `a${'\u2028'.repeat(1998)}z`)
  await bob.answer(id, 'APPROVED', 'x'.repeat(20_000))
  await until(() => expect([toBob.requests, toAda.responses].map(({ length }) => length)).toEqual([1, 1]))
  expect(toBob.requests[0]).not.toHaveProperty('question')
  expect(toAda.responses[0]).not.toHaveProperty('responseContent')
})

it('ignores what is no event', async () => {
  const server = sharedServer()
  const [ada] = await pair()
  const told = new Received()
  listen(ada, told)
  await joined(told)
  const createdAt = '2026-11-23T10:00:00.000Z'
  const request = { type: 'knowledge-request', requestId: 1, requesterName: 'Eve', createdAt, eventId: '7' }
  const response = { type: 'knowledge-response', requestId: 1, status: 'denied', eventId: '8' }
  const faulty: [string, unknown][] = [
    ['knowledge-request', null],
    ['knowledge-request', 'text'],
    ['knowledge-request', []],
    ['knowledge-request', response],
    ['knowledge-request', { ...request, eventId: 7 }],
    ['knowledge-request', { ...request, requestId: '1' }],
    ['knowledge-request', { ...request, question: 1 }],
    ['knowledge-request', { ...request, requesterName: undefined }],
    ['knowledge-response', { ...response, status: 'maybe' }],
    ['knowledge-response', { ...response, responseContent: null }],
    ['knowledge-unheard-of', request],
  ]
  for (const [name, data] of faulty) await server.publish(ada.realtime.channel, name, data)
  await server.publish(ada.realtime.channel, 'knowledge-request', request)
  await server.publish(ada.realtime.channel, 'knowledge-response', response)
  await until(() => expect(told.responses).toEqual([response]))
  expect(told.requests).toEqual([request])
})
