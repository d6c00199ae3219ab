import { useEffect, useInsertionEffect, useRef, useState } from 'react'

import { Live } from './live.js'
import type { Identified, LiveOptions, LiveResult } from './options.js'

export interface UsePusherOptions<Events extends Identified<Events>> extends Omit<LiveOptions<Events>, 'onChange'> {
  /** Whose channel it is, such as a user's id: another value is another person, and everything begins anew. */
  person: string
}

export type UsePusherResult = LiveResult

/**
 * usePusher listens on one person's channel while the component is mounted, as `Live` does.
 *
 * ```tsx
 * const { state, problem, check } = usePusher<{ 'post-liked': PostLiked }>(viewer && {
 *   Pusher,
 *   person: viewer.id,
 *   read: async () =>
 *     (await ask('{ realtime { key cluster host port tls channel authEndpoint noticeChannel } }')).realtime,
 *   headers: { Authorization: `Bearer ${token}` },
 *   events: { 'post-liked': isPostLiked },
 *   on: { 'post-liked': (event) => toast(`${event.name} likes your post`) },
 *   onResync: async (claim) => {
 *     for (const n of await unreadNotifications()) if (claim(n.id)) toast(n.text)
 *   },
 * })
 * ```
 *
 * - There is one pusher-js instance for each mounted hook, in StrictMode too. It is never made anew because an option
 *   changed other than `person`; the latest callbacks are called.
 * - Null means that nobody is signed in, or that it is not known yet: nothing is connected. Then, and on unmount,
 *   everything is released. When the session has ended `read` rejects: give null then.
 */
export function usePusher<Events extends Identified<Events>>(
  options: UsePusherOptions<Events> | null,
): UsePusherResult {
  const person = options && options.person
  const [current, setCurrent] = useState<UsePusherResult & { person: string | null }>(NOTHING)
  const latest = useRef(options)
  useInsertionEffect(() => {
    latest.current = options
  })

  useEffect(() => {
    if (person === null || !latest.current) return undefined
    const { Pusher } = latest.current
    const live = new Live<Events>({
      Pusher,
      read: () => latest.current?.read() ?? Promise.reject(new Error('nobody is signed in')),
      get headers() {
        return latest.current?.headers
      },
      get events() {
        return latest.current?.events ?? NO_EVENTS
      },
      get on() {
        return latest.current?.on ?? NO_EVENTS
      },
      onResync: (claim) => latest.current?.onResync(claim),
      onRefused: (error) => latest.current?.onRefused?.(error),
      onChange: (result) => setCurrent({ person, ...result }),
    })
    // StrictMode unmounts and mounts again before any microtask runs, and so makes one connection and not two.
    queueMicrotask(() => live.start())
    return () => {
      live.end()
      setCurrent(NOTHING)
    }
  }, [person])

  return current.person === person ? current : NOTHING
}

const NO_EVENTS = {} as never
const NOTHING = { person: null, state: 'initialized', problem: null, pusher: null, check: () => {} } as const
