import { Notifications, notifications } from '@mantine/notifications'
import { IconBooks, IconInbox, IconMessageQuestion, IconSend } from '@tabler/icons-react'
import { Suspense, useEffect, type ReactNode } from 'react'
import { Link, useLocation } from 'wouter'

import { ConnectionState } from './features/live/ConnectionState'
import { LiveNotice } from './features/live/LiveNotice'
import { useLive } from './features/live/use-live'
import { Bell } from './features/notifications/Bell'
import { useNotifications, useReadOnSight } from './features/notifications/use-notifications'
import { UserMenu } from './features/session/UserMenu'
import type { Viewer } from './features/session/use-session'
import classes from './Shell.module.css'
import { Logo } from './ui/Logo'
import { TitleBadge } from './ui/Page'
import { Loading } from './ui/States'

const places = [
  { to: '/library', label: 'Library', Icon: IconBooks },
  { to: '/ask', label: 'Ask', Icon: IconMessageQuestion },
  { to: '/inbox', label: 'Inbox', Icon: IconInbox },
  { to: '/sent', label: 'Sent', Icon: IconSend },
]

/** Open popovers, such as the bell's list or the account, lie over the toasts. Mantine's popovers are at 300. */
const belowPopovers = 250

/** Shell is the frame of every page of a signed-in person. It keeps the pages live. */
export function Shell({ viewer, children }: { viewer: Viewer; children: ReactNode }) {
  const { state, problem, check } = useLive(viewer.user.id)
  const { unreadCount } = useNotifications()
  useReadOnSight()
  useEffect(() => forgetToasts, [])
  const [pathname] = useLocation()
  const isAt = (place: string) => pathname === place || pathname.startsWith(`${place}/`)

  return (
    <TitleBadge value={unreadCount}>
      <Notifications position="top-right" limit={5} containerWidth={380} className={classes.toasts} zIndex={belowPopovers} />
      <a className={classes.skip} href="#main">
        Skip to the content
      </a>
      <header className={classes.header}>
        <div className={classes.bar}>
          <Link to="/library" className={classes.home} aria-label="Lorebridge, to the library">
            <Logo />
          </Link>
          <nav className={classes.nav} aria-label="Main">
            {places.map(({ to, label, Icon }) => (
              <Link key={to} to={to} className={classes.place} aria-current={isAt(to) ? 'page' : undefined}>
                <Icon size={20} stroke={1.8} aria-hidden />
                {label}
              </Link>
            ))}
          </nav>
          <div className={classes.side}>
            <ConnectionState state={state} />
            <Bell />
            <UserMenu viewer={viewer} />
          </div>
        </div>
        <LiveNotice problem={problem} onRetry={check} />
      </header>
      <main id="main" className={classes.main} tabIndex={-1}>
        <Suspense fallback={<Loading />}>{children}</Suspense>
      </main>
    </TitleBadge>
  )
}

/** forgetToasts removes the toasts of one person before another signs in. */
function forgetToasts() {
  notifications.clean()
  notifications.cleanQueue()
}
