/** For any page: it needs pusher-js, and neither React nor Apollo Client. */
export { Live } from './live.js'
export type {
  Identified, LiveOptions, LiveProblem, LiveResult, LiveState, PusherConnectionOptions,
} from './options.js'
export { PusherSource } from './pusher-source.js'
export type { Pusher, PusherClass } from './pusher.js'
export { RefusedError } from './refused-error.js'
