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
  /** Grows with each operation that may have changed who is signed in. */
  sessionChanges: number
  transport: Transport
  onTransport: (transport: Transport) => void
}

/** What stands above GraphiQL. Keeps it in step with the session: the schema is read and subscriptions begin anew. */
export function TopBar({ streams, sessionChanges, transport, onTransport }: Props) {
  const actions = useGraphiQLActions()
  const onChange = useCallback(
    (viewer: Viewer | null) => {
      if (viewer) streams.reconnect() // signed out, the server ends them and says so
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
