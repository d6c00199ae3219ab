// These are CommonJS modules, and Node.js does not find all of their exports.
import link from '@thekonz/apollo-lighthouse-subscription-link';
import memory from 'apollo-cache-inmemory';
import client from 'apollo-client';
import links from 'apollo-link';
import http from 'apollo-link-http';

export const { createLighthouseSubscriptionLink } = link;
export const { InMemoryCache } = memory;
export const { ApolloClient } = client;
export const { ApolloLink } = links;
export const { HttpLink } = http;
export { parse as gql } from 'graphql';
