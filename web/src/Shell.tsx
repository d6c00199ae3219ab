import { Notifications } from '@mantine/notifications'
import { IconBooks, IconInbox, IconMessageQuestion, IconSend } from '@tabler/icons-react'
import { Link, NavLink, Outlet } from 'react-router'

import { ConnectionState } from './features/live/ConnectionState'
import { useLive } from './features/live/use-live'
import { Bell } from './features/notifications/Bell'
import { useNotifications, useReadOnSight } from './features/notifications/use-notifications'
import { UserMenu } from './features/session/UserMenu'
import type { Viewer } from './features/session/use-session'
import classes from './Shell.module.css'
import { Logo } from './ui/Logo'
import { TitleBadge } from './ui/Page'

const places = [
  { to: '/library', label: 'Library', Icon: IconBooks },
  { to: '/ask', label: 'Ask', Icon: IconMessageQuestion },
  { to: '/inbox', label: 'Inbox', Icon: IconInbox },
  { to: '/sent', label: 'Sent', Icon: IconSend },
]

/** Shell is what stands around every page of a signed-in person, and keeps them live. */
export function Shell({ viewer }: { viewer: Viewer }) {
  const state = useLive(viewer.id)
  const { unreadCount } = useNotifications()
  useReadOnSight()

  return (
    <TitleBadge value={unreadCount}>
      <Notifications position="top-right" limit={5} containerWidth={380} className={classes.toasts} />
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
              <NavLink key={to} to={to} className={classes.place}>
                <Icon size={20} stroke={1.8} aria-hidden />
                {label}
              </NavLink>
            ))}
          </nav>
          <div className={classes.side}>
            <ConnectionState state={state} />
            <Bell />
            <UserMenu viewer={viewer} />
          </div>
        </div>
      </header>
      <main id="main" className={classes.main} tabIndex={-1}>
        <Outlet />
      </main>
    </TitleBadge>
  )
}
