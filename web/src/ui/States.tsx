import { Alert, Button, Skeleton, Stack, Text, Title } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import type { ReactNode } from 'react'

import { messageOf } from './errors'
import classes from './States.module.css'

/** Loading is shown in place of a list that is being loaded. */
export function Loading({ label = 'Loading' }: { label?: string }) {
  return (
    <Stack gap="sm" role="status" aria-label={label}>
      {[0, 1, 2].map((line) => (
        <Skeleton key={line} height={84} radius="lg" />
      ))}
    </Stack>
  )
}

interface EmptyProps {
  icon: ReactNode
  title: string
  children: ReactNode
  /** What the viewer can do about it. */
  action?: ReactNode
}

/** Empty is shown in place of an empty list, with how to fill it. */
export function Empty({ icon, title, children, action }: EmptyProps) {
  return (
    <div className={classes.empty}>
      <div className={classes.icon} aria-hidden>
        {icon}
      </div>
      <Title order={2} size="h4">
        {title}
      </Title>
      <Text c="dimmed" maw={420}>
        {children}
      </Text>
      {action}
    </div>
  )
}

/** Failure shows what failed and why, and has a button to try again. */
export function Failure({ error, title, onRetry }: { error: unknown; title: string; onRetry?: () => void }) {
  return (
    <Alert color="red" radius="lg" icon={<IconAlertTriangle aria-hidden />} title={title} role="alert">
      <Stack gap="sm" align="flex-start">
        <Text size="sm">{messageOf(error)}</Text>
        {onRetry && (
          <Button size="xs" variant="default" onClick={onRetry}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  )
}
