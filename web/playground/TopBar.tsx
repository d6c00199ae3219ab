import { useGraphiQLActions } from '@graphiql/react'
import { useCallback, useEffect } from 'react'
import { Account } from './Account'
import { useEditorTheme } from './editor-theme'
import { SchemaNotice } from './SchemaNotice'
import { useSession, type Viewer } from './session'
import type { Streams } from './stream'
import type { Transport } from './transport'
import { TransportSwitch } from './TransportSwitch'

interface Props {
  streams: Streams
  /** Grows with each operation that may have changed the session. */
  sessionChanges: number
  transport: Transport
  onTransport: (transport: Transport) => void
}

/** The bar above GraphiQL. When the session changes, it reads the schema again and restarts the subscriptions. */
export function TopBar({ streams, sessionChanges, transport, onTransport }: Props) {
  const actions = useGraphiQLActions()
  const onChange = useCallback(
    (viewer: Viewer | null) => {
      if (viewer) streams.reconnect() // after signing out, the server ends them with a reason
      void actions.introspect()
    },
    [streams, actions],
  )
  const session = useSession(onChange)
  const { refresh } = session
  useEffect(() => {
    if (sessionChanges > 0) void refresh()
  }, [sessionChanges, refresh])
  useEditorTheme()
  return (
    <header className="lb-top">
      <div className="lb-bar">
        <h1>
          <a href="/">Lorebridge</a> playground
        </h1>
        <TransportSwitch transport={transport} onTransport={onTransport} />
        <Account session={session} />
      </div>
      <SchemaNotice />
    </header>
  )
}
