import type { NotificationFieldsFragment } from '../../gql/operations'

type Notice = Pick<NotificationFieldsFragment, 'kind' | 'request'>

/** headlineOf returns a short text for a notification. */
export function headlineOf({ kind, request }: Notice): string {
  if (!request) return 'A request that is gone'
  const { requester, owner, knowledge, status } = request
  const about = knowledge ? `for “${knowledge.title}”` : 'a question'
  if (kind === 'KNOWLEDGE_REQUEST') return `${requester.name} asks you ${about}`
  return `${owner.name} ${status === 'APPROVED' ? 'approved' : 'denied'} your request`
}

/** textOf returns the question, or the text of the answer. */
export function textOf({ kind, request }: Notice): string {
  if (!request) return ''
  return (kind === 'KNOWLEDGE_RESPONSE' && request.responseContent) || request.question
}
