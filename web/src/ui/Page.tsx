import { Group, Stack, Text, Title } from '@mantine/core'
import { createContext, useContext, useEffect, useRef, type ReactNode } from 'react'
import { useLocation } from 'wouter'

import { lastWay } from './way'

/** TitleBadge is the number that the document's title begins with, as in "(2) Inbox · Lorebridge"; none where it is 0. */
export const TitleBadge = createContext(0)

interface PageProps {
  title: string
  /** One sentence on what the page is for. */
  lead?: ReactNode
  /** What one can do here, at the right of the title. */
  actions?: ReactNode
  children: ReactNode
}

/** Page is the frame of every page: the title of the document, the heading, and the focus after the way to it. */
export function Page({ title, lead, actions, children }: PageProps) {
  const badge = useContext(TitleBadge)
  const heading = useRef<HTMLHeadingElement>(null)
  const [pathname] = useLocation()
  useEffect(() => {
    // On the first page one begins at the top; afterwards a screen reader goes on at the heading.
    if (lastWay() !== 'load') heading.current?.focus({ preventScroll: true })
    // Whoever goes back finds the place where they were: that is the browser's.
    if (lastWay() === 'link') window.scrollTo(0, 0)
  }, [pathname])

  return (
    <Stack gap="lg">
      <title>{`${badge > 0 ? `(${badge}) ` : ''}${title} · Lorebridge`}</title>
      <Group justify="space-between" align="flex-end" gap="md">
        <div>
          <Title order={1} size="h2" ref={heading} tabIndex={-1}>
            {title}
          </Title>
          {lead && (
            <Text c="dimmed" mt={4}>
              {lead}
            </Text>
          )}
        </div>
        {actions}
      </Group>
      {children}
    </Stack>
  )
}
