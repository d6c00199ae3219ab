import { DOC_EXPLORER_PLUGIN, DocExplorerStore } from '@graphiql/plugin-doc-explorer'
import { HISTORY_PLUGIN, HistoryStore } from '@graphiql/plugin-history'
import { GraphiQLProvider } from '@graphiql/react'
import { GraphiQLInterface } from 'graphiql'
import { useCallback, useMemo, useState } from 'react'
import { createFetcher } from './fetcher'
import { firstDocument } from './first-document'
import { storage } from './storage'
import { Streams } from './stream'
import { mendTabRoles } from './tab-roles'
import { TopBar } from './TopBar'
import { useTransport } from './transport'

const plugins = [DOC_EXPLORER_PLUGIN, HISTORY_PLUGIN]

/** GraphiQL for this server's API, below a bar with the signed-in person and the transport of subscriptions. */
export function Playground() {
  const [streams] = useState(() => new Streams())
  const [transport, setTransport] = useTransport()
  const [sessionChanges, setSessionChanges] = useState(0)
  const onSession = useCallback(() => setSessionChanges((n) => n + 1), [])
  const fetcher = useMemo(() => createFetcher({ streams, transport, onSession }), [streams, transport, onSession])
  return (
    <GraphiQLProvider
      fetcher={fetcher}
      plugins={plugins}
      referencePlugin={DOC_EXPLORER_PLUGIN}
      defaultQuery={firstDocument}
      storage={storage}
      shouldPersistHeaders={false}
      inputValueDeprecation
      schemaDescription
    >
      <HistoryStore>
        <DocExplorerStore>
          <TopBar streams={streams} sessionChanges={sessionChanges} transport={transport} onTransport={setTransport} />
          <main ref={mendTabRoles}>
            <GraphiQLInterface showPersistHeadersSettings={false} />
          </main>
        </DocExplorerStore>
      </HistoryStore>
    </GraphiQLProvider>
  )
}
