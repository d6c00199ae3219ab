/** For Apollo Client with React: a hook for subscriptions. */
export { useLasting, type UseLastingOptions } from './use-lasting.js'
