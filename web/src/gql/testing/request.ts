import type { KnowledgeRequestStatus, RequestFieldsFragment } from '../operations'

export const ada = { __typename: 'User', id: '1', name: 'Ada' }
export const bob = { __typename: 'User', id: '2', name: 'Bob' }

/** asked returns the n-th request from Ada to Bob. A higher n is newer. */
export function asked(n: number, status: KnowledgeRequestStatus = 'PENDING', responseContent: string | null = null) {
  const at = `2026-11-23T10:00:${String(n).padStart(2, '0')}.000Z`
  const request: RequestFieldsFragment & { __typename: string } = {
    __typename: 'KnowledgeRequest',
    id: String(n),
    question: `Question ${n}`,
    status,
    responseContent,
    createdAt: at,
    respondedAt: status === 'PENDING' ? null : at,
    requester: ada,
    owner: bob,
    knowledge: null,
  }
  return request
}
