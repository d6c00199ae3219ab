import { Text } from '@mantine/core'
import { Link } from 'wouter'

import type { NotificationFieldsFragment } from '../../gql/operations'
import { Moment } from '../../ui/Moment'
import classes from './NotificationItem.module.css'
import { headlineOf, textOf } from './headline'

interface NotificationItemProps {
  notification: NotificationFieldsFragment
  onOpen?: () => void
}

/** NotificationItem is one entry of the bell's list, with a link to its request. */
export function NotificationItem({ notification, onOpen }: NotificationItemProps) {
  const { request, createdAt, readAt } = notification
  const content = (
    <>
      <span className={classes.dot} data-unread={!readAt || undefined} aria-hidden />
      <span className={classes.text}>
        <Text component="span" size="sm" fw={readAt ? 500 : 650}>
          {headlineOf(notification)}
          {!readAt && <span className={classes.hidden}>, unread</span>}
        </Text>
        <Text component="span" size="sm" c="dimmed" lineClamp={2}>
          {textOf(notification)}
        </Text>
        <Text component="span" size="xs" c="dimmed">
          <Moment at={createdAt} />
        </Text>
      </span>
    </>
  )
  return (
    <li className={classes.item}>
      {request ? (
        <Link className={classes.link} to={`/requests/${request.id}`} onClick={onOpen}>
          {content}
        </Link>
      ) : (
        <span className={classes.link}>{content}</span>
      )}
    </li>
  )
}
