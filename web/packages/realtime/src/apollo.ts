/** For Apollo Client: the link over which subscriptions travel. It needs no React. */
export { ChannelsLink, type ChannelsLinkOptions } from './channels-link.js'
export { PusherSource } from './pusher-source.js'
export { RefusedError } from './refused-error.js'
