import type { PusherSource } from '@lorebridge/realtime/core'
import { createContext, useContext } from 'react'

import type { Settings } from './settings'
import type { Tabs } from './tabs'

/** What the client's links share with the part of the app that connects. */
export interface Realtime {
  pusherSource: PusherSource
  settings: Settings
  tabs: Tabs
}

const Context = createContext<Realtime | null>(null)

export const RealtimeProvider = Context.Provider

export function useRealtime(): Realtime {
  const realtime = useContext(Context)
  if (!realtime) throw new Error('useRealtime is called outside of RealtimeProvider')
  return realtime
}
