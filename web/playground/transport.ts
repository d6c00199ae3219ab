import { useState } from 'react'

/** How subscriptions travel: over a WebSocket to the server, as server-sent events, or over Pusher, as the app's do. */
export type Transport = 'ws' | 'sse' | 'pusher'

const key = 'lorebridge:playground:transport'

/** The transport that was last chosen in this browser, at first the WebSocket, and how to choose another. */
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
