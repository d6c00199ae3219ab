/** For React: the hook, and all of `@lorebridge/realtime/core`. */
export * from './core.js'
export { usePusher, type UsePusherOptions, type UsePusherResult } from './use-pusher.js'
