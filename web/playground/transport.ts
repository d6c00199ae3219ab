import { useState } from 'react'

/** How subscriptions travel: over a WebSocket, or as server-sent events. */
export type Transport = 'ws' | 'sse'

const key = 'lorebridge:playground:transport'

/** The transport that was last chosen in this browser, at first the WebSocket, and how to choose another. */
export function useTransport(): [Transport, (transport: Transport) => void] {
  const [transport, setTransport] = useState<Transport>(() => (localStorage.getItem(key) === 'sse' ? 'sse' : 'ws'))
  return [
    transport,
    (chosen) => {
      localStorage.setItem(key, chosen)
      setTransport(chosen)
    },
  ]
}
