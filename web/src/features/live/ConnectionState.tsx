import type { LiveState } from '@lorebridge/realtime'

import classes from './ConnectionState.module.css'

const meanings: Record<LiveState, string> = {
  initialized: 'Getting ready to connect.',
  connecting: 'Connecting, so that you learn of everything at once.',
  connected: 'You learn of everything at once.',
  unavailable: 'The connection is lost: what is new does not show at once. Nothing of it is missed.',
  failed: 'This browser cannot connect. Load the page again to see what is new.',
}

/**
 * ConnectionState shows the state of the live connection in pusher-js's words. "connected" means that events arrive.
 */
export function ConnectionState({ state }: { state: LiveState }) {
  return (
    <span className={classes.state} data-state={state} title={meanings[state]} role="status" aria-label={`Live connection: ${state}`}>
      <span className={classes.dot} aria-hidden />
      <span className={classes.word}>{state}</span>
    </span>
  )
}
