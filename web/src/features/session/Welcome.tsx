import { Alert, Stack, Text, Title } from '@mantine/core'
import type { ReactNode } from 'react'
import { useHistoryState } from 'wouter/use-browser-location'

import { Logo } from '../../ui/Logo'
import classes from './Welcome.module.css'

/** Welcome is the frame of the pages for people who are not signed in. */
export function Welcome({ title, children }: { title: string; children: ReactNode }) {
  const state: unknown = useHistoryState()
  return (
    <main className={classes.welcome}>
      <title>{`${title} · Lorebridge`}</title>
      <div className={classes.side}>
        <Logo />
        <Text className={classes.claim}>Ask the people who know.</Text>
        <Text c="dimmed">
          They learn of your question the moment you ask it, and you of their answer the moment they give it.
        </Text>
      </div>
      <Stack className={classes.card} gap="lg">
        <Title order={1} size="h3">
          {title}
        </Title>
        {hasEnded(state) && <Alert color="teal">Your session has ended. Sign in to go on.</Alert>}
        {children}
      </Stack>
    </main>
  )
}

function hasEnded(state: unknown): boolean {
  return state instanceof Object && 'ended' in state && state.ended === true
}
