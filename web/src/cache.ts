import { InMemoryCache } from '@apollo/client'
import { relayStylePagination } from '@apollo/client/utilities'

/** newCache returns the cache for the server's data. Lists grow page by page, with one list for each filter. */
export function newCache(): InMemoryCache {
  return new InMemoryCache({
    possibleTypes: { Node: ['User', 'Knowledge', 'KnowledgeRequest', 'Notification', 'Subscriber'] },
    typePolicies: {
      // A request is answered only once. A response from before an event must not undo the event's change.
      KnowledgeRequest: {
        fields: {
          status: { merge: (before: string | undefined, now: string) => (before && now === 'PENDING' ? before : now) },
          respondedAt: { merge: keepKnown },
          responseContent: { merge: keepKnown },
        },
      },
      Query: {
        fields: {
          knowledge: relayStylePagination(['search', 'where']),
          knowledgeRequests: relayStylePagination(['box', 'status']),
          notifications: relayStylePagination(['unreadOnly']),
          users: relayStylePagination(['search']),
        },
      },
    },
  })
}

const keepKnown = (before: string | null | undefined, now: string | null) => now ?? before ?? null
