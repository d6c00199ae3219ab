import { Button } from '@mantine/core'
import { IconBell } from '@tabler/icons-react'
import { useRef } from 'react'

import { Page } from '../../ui/Page'
import { ShowMore } from '../../ui/ShowMore'
import { Empty, Failure, Loading } from '../../ui/States'
import { useFocusAfterGrowth } from '../../ui/use-focus-after-growth'
import { NotificationItem } from './NotificationItem'
import classes from './NotificationsPage.module.css'
import { useMarkAllRead, useNotifications } from './use-notifications'

/** NotificationsPage shows all notifications of the viewer. */
export function NotificationsPage() {
  const { items, loading, error, retry, more } = useNotifications()
  const markAll = useMarkAllRead()
  const list = useRef<HTMLUListElement>(null)
  const focusAt = useFocusAfterGrowth(list, items.length)
  return (
    <Page
      title="Notifications"
      lead="What happened for you, also while you were away."
      actions={
        markAll && (
          <Button variant="default" onClick={markAll}>
            Mark all as read
          </Button>
        )
      }
    >
      {loading && <Loading label="Loading your notifications" />}
      {error && <Failure error={error} title="Your notifications could not be loaded" onRetry={retry} />}
      {!loading && !error && items.length === 0 && (
        <Empty icon={<IconBell />} title="Nothing yet">
          When somebody asks you, or answers you, it is told here at once.
        </Empty>
      )}
      {items.length > 0 && (
        <ul className={classes.list} ref={list} aria-label="Notifications">
          {items.map((notification) => (
            <NotificationItem key={notification.id} notification={notification} />
          ))}
        </ul>
      )}
      {more && <ShowMore more={() => focusAt(items.length, more())} />}
    </Page>
  )
}
