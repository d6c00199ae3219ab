import { Anchor, Text } from '@mantine/core'
import { notifications, notificationsStore } from '@mantine/notifications'
import { IconCheck, IconMessageQuestion, IconSparkles, IconX } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { Link } from 'wouter'

import type { NotificationKind, RequestFieldsFragment } from '../../gql/operations'

/** More missed events than this are shown in one toast. */
const missedAtOnce = 3

/**
 * While this many toasts are visible, further events are counted in one more toast. Otherwise they would wait and
 * appear late.
 */
const mostToasts = 4

const duration = 8000 // ms

interface Toast {
  id: string
  title: string
  text: string
  to: string
  icon: ReactNode
  color: string
}

/** show shows a toast, or counts it if there are many. */
function show(toast: Toast) {
  if (isManyThere()) showCount(counted + 1, 'more')
  else if (notificationsStore.getState().notifications.length >= mostToasts) showCount(1, 'more')
  else notifications.show(toastOf(toast))
}

const many = 'many'
let counted = 0 // the number in the toast of many, while it is visible

function isManyThere(): boolean {
  const { notifications: visible, queue } = notificationsStore.getState()
  return [...visible, ...queue].some(({ id }) => id === many)
}

function showCount(count: number, which: string) {
  counted = count
  const title = `${count} ${which} ${count === 1 ? 'thing' : 'things'} happened`
  const icon = <IconSparkles size={18} aria-hidden />
  const toast = toastOf({ id: many, title, text: 'See your notifications.', to: '/notifications', icon, color: 'teal' })
  if (isManyThere()) notifications.update(toast)
  else notifications.show(toast)
}

function toastOf({ id, title, text, to, icon, color }: Toast) {
  return {
    id,
    color,
    icon,
    autoClose: duration,
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
  }
}

/** announceRequest shows that somebody asks the viewer. */
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

/** announceResponse shows that the viewer's request was answered. */
export function announceResponse(eventId: string, request: RequestFieldsFragment) {
  const { id, owner, status, responseContent, question } = request
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

interface Missed {
  id: string
  kind: NotificationKind
  request: RequestFieldsFragment | null
}

/**
 * announceMissed shows the events from the time when the viewer was away, the oldest first: single ones if they are
 * few, or else their number.
 */
export function announceMissed(missed: Missed[], orMore = false) {
  if (missed.length > missedAtOnce) {
    showCount(missed.length, orMore ? 'or more' : 'new')
    return
  }
  for (const { id, kind, request } of missed) {
    if (!request) continue
    if (kind === 'KNOWLEDGE_REQUEST') announceRequest(id, request.id, request.requester.name, request.question)
    else announceResponse(id, request)
  }
}
