import { useState } from 'react'

/** The transports of subscriptions: a WebSocket to the server, server-sent events, or Pusher as in the app. */
export type Transport = 'ws' | 'sse' | 'pusher'

const key = 'lorebridge:playground:transport'

/**
 * Returns the transport that was last chosen in this browser, by default the WebSocket, and a function that chooses
 * another.
 */
export function useTransport(): [Transport, (transport: Transport) => void] {
  const [transport, setTransport] = useState<Transport>(() => {
    const chosen = localStorage.getItem(key)
    return chosen === 'sse' || chosen === 'pusher' ? chosen : 'ws'
  })
  return [
    transport,
    (chosen) => {
      localStorage.setItem(key, chosen)
      setTransport(chosen)
    },
  ]
}
