import type { LiveProblem } from '@lorebridge/realtime'
import { Button } from '@mantine/core'
import { IconPlugConnectedX } from '@tabler/icons-react'

import classes from './LiveNotice.module.css'

const notices: Record<LiveProblem, { text: string; action: string }> = {
  off: {
    text: 'Live updates are off. Until they are back, this page looks for what is new about once a minute.',
    action: 'Try again',
  },
  blocked: {
    text: 'Live updates have moved to another address. Reload the page to get them again.',
    action: 'Reload the page',
  },
}

/**
 * LiveNotice shows that nothing is live, and what to do about it. It does not show problems that end soon by
 * themselves.
 */
export function LiveNotice({ problem, onRetry }: { problem: LiveProblem | null; onRetry: () => void }) {
  const notice = problem && notices[problem]
  // If forms have unsent text, the browser asks before the page is reloaded.
  const act = problem === 'blocked' ? () => window.location.reload() : onRetry
  return (
    <div role="status" aria-label="Live updates">
      {notice && (
        <div className={classes.notice}>
          <IconPlugConnectedX size={20} aria-hidden className={classes.icon} />
          <p className={classes.text}>{notice.text}</p>
          <Button size="xs" variant="default" className={classes.button} onClick={act}>
            {notice.action}
          </Button>
        </div>
      )}
    </div>
  )
}
