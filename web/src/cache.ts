import { InMemoryCache } from '@apollo/client'
import { relayStylePagination } from '@apollo/client/utilities'

/** newCache makes the cache of everything the server told: lists grow page by page, one for each filter. */
export function newCache(): InMemoryCache {
  return new InMemoryCache({
    possibleTypes: { Node: ['User', 'Knowledge', 'KnowledgeRequest', 'Notification', 'Subscriber'] },
    typePolicies: {
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
