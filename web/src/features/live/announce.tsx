import { Anchor, Text } from '@mantine/core'
import { notifications, notificationsStore } from '@mantine/notifications'
import { IconCheck, IconMessageQuestion, IconSparkles, IconX } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { Link } from 'wouter'

import type { NotificationKind, RequestFieldsFragment } from '../../gql/operations'

/** More than so many missed events are told in one toast. */
const missedAtOnce = 3

/** What happens while so many toasts are on the screen is told by one more, which counts. The others would wait, and be told late. */
const mostToasts = 4

const duration = 8000 // ms

interface Told {
  id: string
  title: string
  text: string
  to: string
  icon: ReactNode
  color: string
}

/** tell shows a toast, or counts where there are many. */
function tell(told: Told) {
  if (isManyThere()) tellMany(counted + 1, 'more')
  else if (notificationsStore.getState().notifications.length >= mostToasts) tellMany(1, 'more')
  else notifications.show(toastOf(told))
}

const many = 'many'
let counted = 0 // by the toast of many, while it is there

function isManyThere(): boolean {
  const { notifications: visible, queue } = notificationsStore.getState()
  return [...visible, ...queue].some(({ id }) => id === many)
}

function tellMany(count: number, words: string) {
  counted = count
  const title = `${count} ${words} ${count === 1 ? 'thing' : 'things'} happened`
  const icon = <IconSparkles size={18} aria-hidden />
  const toast = toastOf({ id: many, title, text: 'See your notifications.', to: '/notifications', icon, color: 'teal' })
  if (isManyThere()) notifications.update(toast)
  else notifications.show(toast)
}

function toastOf({ id, title, text, to, icon, color }: Told) {
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

/** announceRequest tells that somebody asks the viewer. */
export function announceRequest(eventId: string, requestId: number | string, requesterName: string, question?: string) {
  tell({
    id: eventId,
    title: `${requesterName} asks you`,
    text: question ?? 'It is a long question: open it to read it.',
    to: `/requests/${requestId}`,
    icon: <IconMessageQuestion size={18} aria-hidden />,
    color: 'teal',
  })
}

/** announceResponse tells that the viewer's request was answered. */
export function announceResponse(eventId: string, request: RequestFieldsFragment) {
  const { id, owner, status, responseContent, question } = request
  const approved = status === 'APPROVED'
  tell({
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

/** announceMissed tells what happened while the viewer was away, the oldest first: one by one where it is little, and else as a number. */
export function announceMissed(missed: Missed[], orMore = false) {
  if (missed.length > missedAtOnce) {
    tellMany(missed.length, orMore ? 'or more' : 'new')
    return
  }
  for (const { id, kind, request } of missed) {
    if (!request) continue
    if (kind === 'KNOWLEDGE_REQUEST') announceRequest(id, request.id, request.requester.name, request.question)
    else announceResponse(id, request)
  }
}
