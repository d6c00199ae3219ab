export * as apollo from '@apollo/client/core/index.js';
export { createLighthouseSubscriptionLink } from '@thekonz/apollo-lighthouse-subscription-link';
export { default as PusherLink } from 'graphql-ruby-client/subscriptions/PusherLink.js';
