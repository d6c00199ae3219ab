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
  /** Whether the page is about this item alone: its action then needs no more than its word. */
  isTitled?: boolean
  /** `filled` where it is what the page is for. */
  variant?: 'filled'
  /** What stands on it, where that is more than a word. */
  children?: ReactNode
}

/** ItemAction leads to what one can do with an item. It names the item to who hears it apart from the item's title. */
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
