import { Group, Stack, Text, Title } from '@mantine/core'
import { createContext, useContext, useEffect, useRef, type ReactNode } from 'react'
import { useLocation } from 'wouter'

import { lastNavigation } from './navigation'

/** TitleBadge is the number at the start of the document's title, as in "(2) Inbox · Lorebridge". 0 means none. */
export const TitleBadge = createContext(0)

interface PageProps {
  title: string
  /** One sentence about the purpose of the page. */
  lead?: ReactNode
  /** The actions, at the right of the title. */
  actions?: ReactNode
  children: ReactNode
}

/** Page is the frame of every page: the document's title, the heading, and the focus after a navigation. */
export function Page({ title, lead, actions, children }: PageProps) {
  const badge = useContext(TitleBadge)
  const heading = useRef<HTMLHeadingElement>(null)
  const [pathname] = useLocation()
  useEffect(() => {
    // The first page begins at the top. After that a screen reader continues at the heading.
    if (lastNavigation() !== 'load') heading.current?.focus({ preventScroll: true })
    // After Back and Forward the browser restores the position itself.
    if (lastNavigation() === 'link') window.scrollTo(0, 0)
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
