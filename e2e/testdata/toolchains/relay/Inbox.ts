// The lists of what concerns the viewer, and what administrators see.
import { graphql } from 'relay-runtime';

graphql`
  query InboxQuery($box: RequestBox!) {
    ...InboxRequests @arguments(box: $box)
    ...InboxNotifications
  }
`;

graphql`
  fragment InboxRequests on Query
  @refetchable(queryName: "InboxRequestsPage")
  @argumentDefinitions(
    first: { type: "Int", defaultValue: 20 }
    after: { type: "Cursor" }
    box: { type: "RequestBox!" }
    status: { type: "KnowledgeRequestStatus" }
  ) {
    knowledgeRequests(box: $box, status: $status, first: $first, after: $after)
      @connection(key: "Inbox_knowledgeRequests", filters: ["box", "status"]) {
      edges {
        node {
          ...InboxRequest
        }
      }
    }
  }
`;

graphql`
  fragment InboxRequest on KnowledgeRequest @refetchable(queryName: "InboxRequestRefetch") {
    question
    status
    responseContent
    requester {
      name
    }
    knowledge {
      title
    }
  }
`;

graphql`
  fragment InboxNotifications on Query
  @refetchable(queryName: "InboxNotificationsPage")
  @argumentDefinitions(first: { type: "Int", defaultValue: 20 }, after: { type: "Cursor" }) {
    notifications(first: $first, after: $after) @connection(key: "Inbox_notifications") {
      unreadCount
      edges {
        node {
          ...InboxNotification
        }
      }
    }
  }
`;

graphql`
  fragment InboxNotification on Notification @refetchable(queryName: "InboxNotificationRefetch") {
    kind
    readAt
    request {
      ...InboxRequest
    }
  }
`;

graphql`
  mutation InboxAskMutation($input: CreateKnowledgeRequestInput!, $connections: [ID!]!) {
    createKnowledgeRequest(input: $input) {
      alreadyExists
      knowledgeRequestEdge @prependEdge(connections: $connections) {
        cursor
        node {
          ...InboxRequest
        }
      }
    }
  }
`;

graphql`
  mutation InboxAnswerMutation($input: RespondToRequestInput!) {
    respondToRequest(input: $input) {
      knowledgeRequest {
        ...InboxRequest
      }
    }
  }
`;

graphql`
  mutation InboxReadMutation($input: MarkNotificationsReadInput!) {
    markNotificationsRead(input: $input) {
      marked
      unreadCount
    }
  }
`;

graphql`
  subscription InboxReceivedSubscription {
    notificationReceived {
      ...InboxNotification
    }
  }
`;

graphql`
  query InboxSubscriptionsQuery {
    ...InboxSubscriptions
  }
`;

graphql`
  fragment InboxSubscriptions on Query
  @refetchable(queryName: "InboxSubscriptionsPage")
  @argumentDefinitions(first: { type: "Int", defaultValue: 20 }, after: { type: "Cursor" }) {
    storedSubscriptions(first: $first, after: $after) @connection(key: "Inbox_storedSubscriptions") {
      edges {
        node {
          ...InboxSubscription
        }
      }
    }
  }
`;

graphql`
  fragment InboxSubscription on StoredSubscription @refetchable(queryName: "InboxSubscriptionRefetch") {
    state
    field
    user {
      name
    }
  }
`;

graphql`
  mutation InboxEndMutation($input: EndSubscriptionInput!, $connections: [ID!]!) {
    endSubscription(input: $input) {
      endedId @deleteEdge(connections: $connections)
    }
  }
`;
