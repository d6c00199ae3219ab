import { Button } from '@mantine/core'
import { IconBook2, IconMessageQuestion, IconPencil } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { Link } from 'wouter'

interface Item {
  id: string
  title: string
  owner: { name: string }
}

const actions = {
  edit: {
    word: 'Edit',
    Icon: IconPencil,
    to: ({ id }: Item) => `/library/${id}/edit`,
    label: ({ title }: Item) => `Edit “${title}”`,
    variant: 'default',
  },
  read: {
    word: 'Read',
    Icon: IconBook2,
    to: ({ id }: Item) => `/library/${id}`,
    label: ({ title }: Item) => `Read “${title}”`,
    variant: 'default',
  },
  ask: {
    word: 'Ask',
    Icon: IconMessageQuestion,
    to: ({ id }: Item) => `/ask?knowledge=${id}`,
    label: ({ title, owner }: Item) => `Ask ${owner.name} for “${title}”`,
    variant: 'light',
  },
} as const

interface ItemActionProps {
  action: keyof typeof actions
  item: Item
  className?: string
  /** Whether the page is about this item alone, so that the action's name is enough. */
  isTitled?: boolean
  /** `filled` for the main action of a page. */
  variant?: 'filled'
  /** The content, if it is more than the action's name. */
  children?: ReactNode
}

/**
 * ItemAction is a link to an action for an item. Screen readers get the item's title with it, because they may read
 * the link alone.
 */
export function ItemAction({ action, item, className, isTitled = false, variant, children }: ItemActionProps) {
  const { word, Icon, to, label, variant: usual } = actions[action]
  return (
    <Button
      component={Link}
      to={to(item)}
      variant={variant ?? usual}
      className={className}
      leftSection={<Icon size={18} aria-hidden />}
      aria-label={isTitled ? undefined : label(item)}
    >
      {children ?? word}
    </Button>
  )
}
