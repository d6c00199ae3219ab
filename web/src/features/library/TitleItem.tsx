import { Button } from '@mantine/core'
import { IconBook2, IconMessageQuestion, IconPencil } from '@tabler/icons-react'
import { Link } from 'react-router'

import type { KnowledgeFieldsFragment } from '../../gql/operations'
import card from '../../ui/Card.module.css'
import { Made } from './Made'
import classes from './TitleItem.module.css'

interface TitleItemProps {
  item: KnowledgeFieldsFragment
  /** What the item is to the viewer. */
  rights: 'own' | 'shared' | 'none'
}

/** TitleItem is one title of the library: the whole card leads to its page, and beside it stands what one mostly does. */
export function TitleItem({ item, rights }: TitleItemProps) {
  const { id, title, owner } = item
  return (
    <li className={`${card.card} ${classes.item}`}>
      <div className={classes.words}>
        <h2 className={classes.title}>
          <Link to={`/library/${id}`} className={classes.link}>
            {title}
          </Link>
        </h2>
        <p className={classes.made}>
          {rights !== 'own' && <span className={classes.owner}>{owner.name}</span>}
          <Made item={item} />
        </p>
      </div>
      {rights === 'own' && (
        <Button
          component={Link}
          to={`/library/${id}/edit`}
          variant="default"
          className={classes.action}
          leftSection={<IconPencil size={18} aria-hidden />}
          aria-label={`Edit “${title}”`}
        >
          Edit
        </Button>
      )}
      {rights === 'shared' && (
        <Button
          component={Link}
          to={`/library/${id}`}
          variant="default"
          className={classes.action}
          leftSection={<IconBook2 size={18} aria-hidden />}
          aria-label={`Read “${title}”`}
        >
          Read
        </Button>
      )}
      {rights === 'none' && (
        <Button
          component={Link}
          to={`/ask?knowledge=${id}`}
          variant="light"
          className={classes.action}
          leftSection={<IconMessageQuestion size={18} aria-hidden />}
          aria-label={`Ask ${owner.name} for “${title}”`}
        >
          Ask
        </Button>
      )}
    </li>
  )
}
