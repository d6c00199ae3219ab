import { InMemoryCache } from '@apollo/client'
import { relayStylePagination } from '@apollo/client/utilities'

/** newCache makes the cache of everything the server told: lists grow page by page, one for each filter. */
export function newCache(): InMemoryCache {
  return new InMemoryCache({
    possibleTypes: { Node: ['User', 'Knowledge', 'KnowledgeRequest', 'Notification', 'Subscriber'] },
    typePolicies: {
      // A request is answered once. An answer that was on its way before an event came does not take back what the event told.
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
