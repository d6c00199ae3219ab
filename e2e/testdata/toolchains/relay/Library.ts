// What a page of a Relay app asks for: each list as a connection that is paginated, each new thing put into its list by its edge.
import { graphql } from 'relay-runtime';

graphql`
  query LibraryQuery($search: String, $where: KnowledgeWhereInput, $order: KnowledgeOrder) {
    viewer {
      email
      user {
        ...LibraryPerson
      }
    }
    ...LibraryKnowledge @arguments(search: $search, where: $where, order: $order)
    ...LibraryPeople
  }
`;

graphql`
  fragment LibraryPerson on User @refetchable(queryName: "LibraryPersonRefetch") {
    name
    createdAt
  }
`;

graphql`
  fragment LibraryKnowledge on Query
  @refetchable(queryName: "LibraryKnowledgePage")
  @argumentDefinitions(
    first: { type: "Int", defaultValue: 20 }
    after: { type: "Cursor" }
    search: { type: "String" }
    where: { type: "KnowledgeWhereInput" }
    order: { type: "KnowledgeOrder" }
  ) {
    knowledge(first: $first, after: $after, search: $search, where: $where, orderBy: $order)
      @connection(key: "Library_knowledge", filters: ["search", "where", "orderBy"]) {
      totalCount
      edges {
        node {
          ...LibraryItem
        }
      }
    }
  }
`;

graphql`
  fragment LibraryPeople on Query
  @refetchable(queryName: "LibraryPeoplePage")
  @argumentDefinitions(last: { type: "Int", defaultValue: 20 }, before: { type: "Cursor" }) {
    users(last: $last, before: $before) @connection(key: "Library_users") {
      edges {
        node {
          ...LibraryPerson
        }
      }
    }
  }
`;

graphql`
  fragment LibraryItem on Knowledge @refetchable(queryName: "LibraryItemRefetch") {
    title
    content
    updatedAt
    owner {
      ...LibraryPerson
    }
  }
`;

graphql`
  mutation LibraryAddMutation($input: CreateKnowledgeInput!, $connections: [ID!]!) {
    createKnowledge(input: $input) {
      knowledgeEdge @prependEdge(connections: $connections) {
        cursor
        node {
          ...LibraryItem
        }
      }
    }
  }
`;

graphql`
  mutation LibraryChangeMutation($input: UpdateKnowledgeInput!) {
    updateKnowledge(input: $input) {
      knowledge {
        ...LibraryItem
      }
    }
  }
`;

graphql`
  mutation LibraryRemoveMutation($input: DeleteKnowledgeInput!, $connections: [ID!]!) {
    deleteKnowledge(input: $input) {
      deletedId @deleteEdge(connections: $connections)
    }
  }
`;

graphql`
  subscription LibraryPublishedSubscription {
    knowledgePublished {
      ...LibraryItem
    }
  }
`;
