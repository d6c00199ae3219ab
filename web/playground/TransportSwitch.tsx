import type { Transport } from './transport'

const choices: { transport: Transport; label: string; title: string }[] = [
  { transport: 'ws', label: 'WebSocket', title: 'graphql-transport-ws, as graphql-ws speaks it' },
  { transport: 'sse', label: 'SSE', title: 'Server-sent events, as graphql-sse reads them' },
  { transport: 'pusher', label: 'Pusher', title: 'Sent by POST, with results on a channel of Pusher, as the app has them' },
]

interface Props {
  transport: Transport
  onTransport: (transport: Transport) => void
}

/** Chooses the transport of the next subscription. */
export function TransportSwitch({ transport, onTransport }: Props) {
  return (
    <fieldset className="lb-transport">
      <legend>Subscriptions over</legend>
      {choices.map((choice) => (
        <label key={choice.transport} title={choice.title}>
          <input
            type="radio"
            name="transport"
            checked={choice.transport === transport}
            onChange={() => onTransport(choice.transport)}
          />
          <span>{choice.label}</span>
        </label>
      ))}
    </fieldset>
  )
}
