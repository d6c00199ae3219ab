import { gql } from '@apollo/client';

export const signUp = gql`mutation SignUp($input: SignUpInput!) {
  signUp(input: $input) { token expiresAt user { id name } }
}`;

export const signIn = gql`mutation SignIn($input: SignInInput!) {
  signIn(input: $input) { token expiresAt user { id name } }
}`;

export const signOut = gql`mutation SignOut { signOut { signedOut } }`;

export const createKnowledge = gql`mutation CreateKnowledge($input: CreateKnowledgeInput!) {
  createKnowledge(input: $input) { knowledge { id title content } }
}`;

export const deleteKnowledge = gql`mutation DeleteKnowledge($input: DeleteKnowledgeInput!) {
  deleteKnowledge(input: $input) { deletedId }
}`;

export const ask = gql`mutation Ask($input: CreateKnowledgeRequestInput!) {
  createKnowledgeRequest(input: $input) { alreadyExists knowledgeRequest { id status question createdAt } }
}`;

export const answer = gql`mutation Answer($input: RespondToRequestInput!) {
  respondToRequest(input: $input) { knowledgeRequest { id status responseContent respondedAt } }
}`;

export const request = gql`query Request($id: ID!) {
  node(id: $id) { id ... on KnowledgeRequest { status question responseContent knowledge { id content } } }
}`;

export const requests = gql`query Requests($box: RequestBox!, $after: Cursor) {
  knowledgeRequests(box: $box, first: 100, after: $after) {
    totalCount pageInfo { hasNextPage endCursor } edges { node { id status question } }
  }
}`;

export const notifications = gql`query Notifications($unreadOnly: Boolean!, $after: Cursor) {
  notifications(unreadOnly: $unreadOnly, first: 100, after: $after) {
    totalCount unreadCount pageInfo { hasNextPage endCursor }
    edges { node { id kind createdAt readAt request { id } } }
  }
}`;

export const realtime = gql`query Realtime {
  realtime { key cluster host port tls authEndpoint channel }
}`;

export const viewer = gql`query Viewer { viewer { email user { id name } } }`;
