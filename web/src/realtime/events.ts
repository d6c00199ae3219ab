/** Somebody asks for what the viewer knows. `question` is absent where Pusher could not carry it: ask GraphQL. */
export interface KnowledgeRequestEvent {
  type: 'knowledge-request'
  requestId: number
  question?: string
  requesterName: string
  createdAt: string
  eventId: string
}

/** A request of the viewer's was answered. `responseContent` is absent where there is none or it is too long. */
export interface KnowledgeResponseEvent {
  type: 'knowledge-response'
  requestId: number
  status: 'approved' | 'denied'
  responseContent?: string
  eventId: string
}

/** What the server sends on a person's channel, by the names of the events. */
export interface PersonalEvents {
  'knowledge-request': KnowledgeRequestEvent
  'knowledge-response': KnowledgeResponseEvent
}

export function isRequest(data: unknown): data is KnowledgeRequestEvent {
  return (
    isEvent(data, 'knowledge-request') &&
    typeof data.requesterName === 'string' &&
    typeof data.createdAt === 'string' &&
    isTextOrAbsent(data.question)
  )
}

export function isResponse(data: unknown): data is KnowledgeResponseEvent {
  return (
    isEvent(data, 'knowledge-response') &&
    (data.status === 'approved' || data.status === 'denied') &&
    isTextOrAbsent(data.responseContent)
  )
}

function isEvent(data: unknown, type: string): data is Record<string, unknown> {
  if (!isObject(data) || data.type !== type) return false
  return typeof data.eventId === 'string' && Number.isSafeInteger(data.requestId)
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'string'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
