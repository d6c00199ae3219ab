import type { NotificationFieldsFragment } from '../../gql/operations'

type Told = Pick<NotificationFieldsFragment, 'kind' | 'request'>

/** headlineOf says in a few words what a notification tells. */
export function headlineOf({ kind, request }: Told): string {
  if (!request) return 'A request that is gone'
  const { requester, owner, knowledge, status } = request
  const about = knowledge ? `for “${knowledge.title}”` : 'a question'
  if (kind === 'KNOWLEDGE_REQUEST') return `${requester.name} asks you ${about}`
  return `${owner.name} ${status === 'APPROVED' ? 'approved' : 'denied'} your request`
}

/** textOf is the question that was asked, or the words that came with the answer. */
export function textOf({ kind, request }: Told): string {
  if (!request) return ''
  return (kind === 'KNOWLEDGE_RESPONSE' && request.responseContent) || request.question
}
