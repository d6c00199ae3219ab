import { IconCheck, IconClock, IconX } from '@tabler/icons-react'

import type { KnowledgeRequestStatus } from '../gql/operations'
import classes from './StatusBadge.module.css'

const looks = {
  PENDING: { word: 'Waiting', Icon: IconClock, className: classes.wait },
  APPROVED: { word: 'Approved', Icon: IconCheck, className: classes.good },
  DENIED: { word: 'Denied', Icon: IconX, className: classes.bad },
} as const

/** StatusBadge shows the status of a request by a word, an icon and a colour. */
export function StatusBadge({ status }: { status: KnowledgeRequestStatus }) {
  const { word, Icon, className } = looks[status]
  return (
    <span className={`${classes.badge} ${className}`}>
      <Icon size={14} stroke={2.4} aria-hidden />
      {word}
    </span>
  )
}
