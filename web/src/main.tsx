import { ApolloProvider } from '@apollo/client/react'
import { PusherSource } from '@lorebridge/realtime/core'
import { MantineProvider } from '@mantine/core'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'

import './ui/mantine'
import './theme.css'
import { App } from './App'
import { newClient } from './client'
import { RealtimeProvider } from './realtime/context'
import { Settings } from './realtime/settings'
import { Tabs } from './realtime/tabs'
import { theme } from './theme'

const realtime = { pusherSource: new PusherSource(), settings: new Settings(), tabs: new Tabs() }

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
      <ApolloProvider client={newClient(realtime)}>
        <RealtimeProvider value={realtime}>
          <App />
        </RealtimeProvider>
      </ApolloProvider>
    </MantineProvider>
  </StrictMode>,
)
