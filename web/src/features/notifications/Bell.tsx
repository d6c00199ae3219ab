import { ActionIcon, Anchor, Button, Group, Popover, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconBell } from '@tabler/icons-react'
import { Link } from 'wouter'

import { Failure } from '../../ui/States'
import classes from './Bell.module.css'
import { NotificationItem } from './NotificationItem'
import { useMarkAllRead, useNotifications } from './use-notifications'

/** Bell shows the number of unread notifications, and opens a list of the newest. */
export function Bell() {
  const { items, unreadCount, error, retry } = useNotifications()
  const markAll = useMarkAllRead()
  const [opened, { toggle, close }] = useDisclosure()
  const label = unreadCount > 0 ? `Notifications, ${unreadCount} unread` : 'Notifications, none unread'

  return (
    <Popover opened={opened} onChange={(open) => !open && close()} position="bottom-end" width={380} trapFocus returnFocus>
      <Popover.Target>
        <ActionIcon variant="subtle" color="gray" size={44} radius="xl" aria-label={label} onClick={toggle} className={classes.bell}>
          <IconBell size={22} stroke={1.8} aria-hidden />
          {unreadCount > 0 && <span className={classes.count}>{unreadCount > 99 ? '99+' : unreadCount}</span>}
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown className={classes.dropdown} aria-label="Notifications">
        <Group justify="space-between" className={classes.head}>
          <Text fw={650}>Notifications</Text>
          {markAll && (
            <Button variant="subtle" size="compact-sm" onClick={markAll}>
              Mark all as read
            </Button>
          )}
        </Group>
        {error && <Failure error={error} title="Your notifications could not be loaded" onRetry={retry} />}
        {!error && items.length === 0 && (
          <Text c="dimmed" size="sm" className={classes.none}>
            Nothing yet. When somebody asks you, or answers you, it is told here.
          </Text>
        )}
        <ul className={classes.list}>
          {items.slice(0, 6).map((notification) => (
            <NotificationItem key={notification.id} notification={notification} onOpen={close} />
          ))}
        </ul>
        <div className={classes.foot}>
          <Anchor component={Link} to="/notifications" size="sm" onClick={close}>
            See all notifications
          </Anchor>
        </div>
      </Popover.Dropdown>
    </Popover>
  )
}
