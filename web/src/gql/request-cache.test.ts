import type { ApolloCache } from '@apollo/client'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { newCache } from '../cache'
import {
  RequestsDocument,
  type KnowledgeRequestStatus,
  type RequestBox,
  type RequestFieldsFragment,
  type RequestsQuery,
} from './operations'
import { putRequest } from './request-cache'
import { ada, asked, bob } from './testing/request'

function load(
  cache: ApolloCache,
  variables: { box: RequestBox; status?: KnowledgeRequestStatus | null; after?: string },
  requests: RequestFieldsFragment[],
  hasNextPage = false,
) {
  const data = {
    knowledgeRequests: {
      __typename: 'KnowledgeRequestConnection',
      edges: requests.map((node) => ({ __typename: 'KnowledgeRequestEdge', node })),
      pageInfo: { __typename: 'PageInfo', hasNextPage, endCursor: requests.at(-1)?.id ?? null },
    },
  }
  cache.writeQuery<RequestsQuery>({ query: RequestsDocument, variables, data })
}

function list(cache: ApolloCache, box: RequestBox, status?: KnowledgeRequestStatus | null) {
  const kept = cache.readQuery({ query: RequestsDocument, variables: { box, status } })
  return kept?.knowledgeRequests?.edges.map(({ node }) => node.question.replace('Question ', ''))
}

describe('putRequest', () => {
  let cache: ApolloCache
  beforeEach(() => {
    cache = newCache()
  })

  it('puts a new request on top of every list that it belongs to, once', () => {
    load(cache, { box: 'RECEIVED', status: 'PENDING' }, [asked(1)], true)
    load(cache, { box: 'RECEIVED' }, [asked(1)])
    load(cache, { box: 'RECEIVED', status: 'APPROVED' }, [])
    load(cache, { box: 'SENT' }, [])

    putRequest(cache, asked(2), bob.id)
    putRequest(cache, asked(2), bob.id)

    expect(list(cache, 'RECEIVED', 'PENDING')).toEqual(['2', '1'])
    expect(list(cache, 'RECEIVED')).toEqual(['2', '1'])
    expect(list(cache, 'RECEIVED', 'APPROVED')).toEqual([])
    expect(list(cache, 'SENT')).toEqual([])
  })

  it('updates the other box for the requester', () => {
    load(cache, { box: 'SENT', status: null }, [asked(1)])
    load(cache, { box: 'RECEIVED', status: null }, [])
    putRequest(cache, asked(2), ada.id)
    expect(list(cache, 'SENT', null)).toEqual(['2', '1'])
    expect(list(cache, 'RECEIVED', null)).toEqual([])
  })

  it('moves an answered request from list to list, each time to its place by the time it was asked', () => {
    load(cache, { box: 'RECEIVED', status: 'PENDING' }, [asked(4), asked(2)])
    load(cache, { box: 'RECEIVED', status: 'APPROVED' }, [asked(3, 'APPROVED'), asked(1, 'APPROVED')])
    load(cache, { box: 'RECEIVED' }, [asked(4), asked(3, 'APPROVED'), asked(2), asked(1, 'APPROVED')])

    putRequest(cache, asked(2, 'APPROVED'), bob.id)

    expect(list(cache, 'RECEIVED', 'PENDING')).toEqual(['4'])
    expect(list(cache, 'RECEIVED', 'APPROVED')).toEqual(['3', '2', '1'])
    expect(list(cache, 'RECEIVED')).toEqual(['4', '3', '2', '1'])
  })

  it('leaves a place below what was loaded to the next page', () => {
    load(cache, { box: 'RECEIVED', status: 'APPROVED' }, [asked(5, 'APPROVED'), asked(4, 'APPROVED')], true)
    load(cache, { box: 'RECEIVED', status: 'DENIED' }, [asked(3, 'DENIED')])
    putRequest(cache, asked(1, 'APPROVED'), bob.id)
    putRequest(cache, asked(2, 'DENIED'), bob.id)
    expect(list(cache, 'RECEIVED', 'APPROVED')).toEqual(['5', '4'])
    expect(list(cache, 'RECEIVED', 'DENIED')).toEqual(['3', '2'])

    load(cache, { box: 'RECEIVED', status: 'APPROVED', after: '4' }, [asked(1, 'APPROVED')])
    expect(list(cache, 'RECEIVED', 'APPROVED')).toEqual(['5', '4', '1'])
  })

  it('keeps what is known of the page, so that the next one can be fetched when its last request has left', () => {
    load(cache, { box: 'RECEIVED', status: 'PENDING' }, [asked(3), asked(2)], true)
    putRequest(cache, asked(2, 'DENIED'), bob.id)

    const variables = { box: 'RECEIVED', status: 'PENDING' } as const
    const kept = cache.readQuery({ query: RequestsDocument, variables })
    expect(kept?.knowledgeRequests?.pageInfo).toMatchObject({ hasNextPage: true, endCursor: '2' })
    load(cache, { ...variables, after: '2' }, [asked(1)])
    expect(list(cache, 'RECEIVED', 'PENDING')).toEqual(['3', '1'])
  })

  it('loads no list that was not loaded', () => {
    putRequest(cache, asked(1), bob.id)
    expect(list(cache, 'RECEIVED', 'PENDING')).toBeUndefined()
    load(cache, { box: 'RECEIVED' }, [])
    putRequest(cache, asked(1), bob.id)
    expect(list(cache, 'RECEIVED', 'PENDING')).toBeUndefined()
  })

  it('keeps an answered request answered, even if an older version comes later', () => {
    load(cache, { box: 'RECEIVED', status: 'PENDING' }, [asked(1)])
    load(cache, { box: 'RECEIVED', status: 'DENIED' }, [])
    putRequest(cache, asked(1, 'DENIED'), bob.id)
    putRequest(cache, asked(1), bob.id)
    expect(list(cache, 'RECEIVED', 'PENDING')).toEqual([])
    expect(list(cache, 'RECEIVED', 'DENIED')).toEqual(['1'])
  })

  it('notifies the watchers of a list when it has changed, and only then', () => {
    load(cache, { box: 'RECEIVED', status: 'PENDING' }, [asked(1)])
    const seen = vi.fn()
    const variables = { box: 'RECEIVED', status: 'PENDING' } as const
    cache.watch({ query: RequestsDocument, variables, optimistic: true, immediate: true, callback: seen })
    expect(seen).toHaveBeenCalledTimes(1)
    putRequest(cache, asked(2), bob.id)
    expect(seen).toHaveBeenCalledTimes(2)
    putRequest(cache, asked(2), bob.id)
    expect(seen).toHaveBeenCalledTimes(2)
  })

  it('keeps an answer that an older response of the server does not have yet', () => {
    load(cache, { box: 'SENT' }, [asked(1)])
    putRequest(cache, { ...asked(1, 'APPROVED'), responseContent: 'Yes.' }, ada.id)
    load(cache, { box: 'SENT' }, [asked(1)])
    const [edge] = cache.readQuery({ query: RequestsDocument, variables: { box: 'SENT' } })?.knowledgeRequests?.edges ?? []
    const { status, responseContent, respondedAt } = edge?.node ?? {}
    expect({ status, responseContent, respondedAt }).toEqual({
      status: 'APPROVED',
      responseContent: 'Yes.',
      respondedAt: asked(1, 'APPROVED').respondedAt,
    })
  })
})
