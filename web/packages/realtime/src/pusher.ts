import type { Channel, Options } from 'pusher-js'

/** A connection of pusher-js. */
export type Pusher = Channel['pusher'] // its default export has this type only with some settings of TypeScript

/** The class that makes connections: what `pusher-js` or `pusher-js/with-encryption` exports. */
export interface PusherClass {
  new (key: string, options: Options): Pusher
  instances: Pusher[]
}
