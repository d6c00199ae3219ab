// What an app reads of each answer, as the types have it: it compiles only while they say what can be null and what cannot.
import type { ResultOf, VariablesOf } from '@graphql-typed-document-node/core';

import { graphql } from './gql';

const item = graphql(`
  fragment ItemFields on Knowledge {
    id
    title
    content
    createdAt
    owner {
      id
      name
    }
  }
`);

const library = graphql(`
  query Library($first: Int = 20, $after: Cursor, $where: KnowledgeWhereInput, $orderBy: KnowledgeOrder) {
    viewer {
      email
      user {
        id
        name
      }
    }
    knowledge(first: $first, after: $after, where: $where, orderBy: $orderBy) {
      totalCount
      edges {
        cursor
        node {
          id
          ...ItemFields
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const requests = graphql(`
  query Requests($box: RequestBox!, $status: KnowledgeRequestStatus) {
    knowledgeRequests(box: $box, status: $status) {
      edges {
        node {
          id
          status
          respondedAt
          knowledge {
            ...ItemFields
          }
        }
      }
    }
    notifications {
      unreadCount
      edges {
        node {
          kind
          request {
            question
          }
        }
      }
    }
    users(search: "a") {
      edges {
        node {
          name
        }
      }
    }
    realtime {
      key
      host
    }
  }
`);

const node = graphql(`
  query AnyNode($id: ID!) {
    node(id: $id) {
      __typename
      id
      ... on StoredSubscription {
        state
        field
      }
    }
  }
`);

const create = graphql(`
  mutation Create($input: CreateKnowledgeInput!) {
    createKnowledge(input: $input) {
      knowledgeEdge {
        cursor
        node {
          ...ItemFields
        }
      }
    }
  }
`);

const remove = graphql(`
  mutation Remove($input: DeleteKnowledgeInput!) {
    deleteKnowledge(input: $input) {
      deletedId
    }
  }
`);

const markRead = graphql(`
  mutation MarkRead($input: MarkNotificationsReadInput!) {
    markNotificationsRead(input: $input) {
      marked
    }
  }
`);

const published = graphql(`
  subscription Published {
    knowledgePublished {
      ...ItemFields
    }
  }
`);

export const documents = [item, library, requests, node, create, remove, markRead, published];

// A root field can be null, beside its error. What is in a list cannot.
export function titlesOf({ viewer, knowledge }: ResultOf<typeof library>): [string | undefined, string[], string | null | undefined] {
  return [viewer?.email, knowledge?.edges.map(({ node, cursor }) => node.id + cursor) ?? [], knowledge?.pageInfo.endCursor];
}

export function statesOf({ knowledgeRequests, notifications }: ResultOf<typeof requests>): ('PENDING' | 'APPROVED' | 'DENIED')[] {
  const kinds = notifications?.edges.map(({ node: { kind, request } }) => `${kind} ${request?.question ?? ''}`);
  return kinds ? (knowledgeRequests?.edges.map((edge) => edge.node.status) ?? []) : [];
}

export const deletedOf = ({ deleteKnowledge }: ResultOf<typeof remove>): string | undefined => deleteKnowledge?.deletedId;

// A direction is not needed, and exactly one way to mark is.
export const newest: VariablesOf<typeof library> = { where: { ownerId: '1', ownerIdNEQ: null }, orderBy: { field: 'CREATED_AT' } };
export const ways: VariablesOf<typeof markRead>[] = [{ input: { ids: ['1'] } }, { input: { upTo: '1' } }];
// @ts-expect-error Two ways at once do not compile.
export const both: VariablesOf<typeof markRead> = { input: { ids: ['1'], upTo: '1' } };
// @ts-expect-error No way does not compile.
export const neither: VariablesOf<typeof markRead> = { input: {} };
