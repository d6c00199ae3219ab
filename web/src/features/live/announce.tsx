import { Anchor, Text } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconCheck, IconMessageQuestion, IconSparkles, IconX } from '@tabler/icons-react'
import { Link } from 'react-router'

import type { RequestFieldsFragment } from '../../gql/operations'

/** More than so many missed events are told in one toast. */
const toastsAtOnce = 3

interface Told {
  id: string
  title: string
  text: string
  to: string
  icon: React.ReactNode
  color: string
}

function show({ id, title, text, to, icon, color }: Told) {
  notifications.show({
    id,
    color,
    icon,
    autoClose: 8000,
    title: (
      <Anchor component={Link} to={to} inherit c="inherit" onClick={() => notifications.hide(id)}>
        {title}
      </Anchor>
    ),
    message: (
      <Text component="span" size="sm" c="dimmed" lineClamp={3}>
        {text}
      </Text>
    ),
    closeButtonProps: { 'aria-label': 'Close' },
  })
}

/** announceRequest tells that somebody asks the viewer. */
export function announceRequest(eventId: string, requestId: number | string, requesterName: string, question?: string) {
  show({
    id: eventId,
    title: `${requesterName} asks you`,
    text: question ?? 'It is a long question: open it to read it.',
    to: `/requests/${requestId}`,
    icon: <IconMessageQuestion size={18} aria-hidden />,
    color: 'teal',
  })
}

/** announceResponse tells that the viewer's request was answered. */
export function announceResponse(eventId: string, { id, owner, status, responseContent, question }: RequestFieldsFragment) {
  const approved = status === 'APPROVED'
  show({
    id: eventId,
    title: `${owner.name} ${approved ? 'approved' : 'denied'} your request`,
    text: responseContent ?? question,
    to: `/requests/${id}`,
    icon: approved ? <IconCheck size={18} aria-hidden /> : <IconX size={18} aria-hidden />,
    color: approved ? 'teal' : 'red',
  })
}

/** announceMissed tells what happened while the viewer was away, the oldest first: one by one where it is little, and else as a number. */
export function announceMissed(missed: { id: string; kind: string; request: RequestFieldsFragment | null }[]) {
  if (missed.length > toastsAtOnce) {
    show({
      id: 'missed',
      title: `${missed.length} things happened while you were away`,
      text: 'You find them among your notifications.',
      to: '/notifications',
      icon: <IconSparkles size={18} aria-hidden />,
      color: 'teal',
    })
    return
  }
  for (const { id, kind, request } of missed) {
    if (!request) continue
    if (kind === 'KNOWLEDGE_REQUEST') announceRequest(id, request.id, request.requester.name, request.question)
    else announceResponse(id, request)
  }
}
