import { Link } from 'wouter'

import type { KnowledgeFieldsFragment } from '../../gql/operations'
import card from '../../ui/Card.module.css'
import { ItemAction } from './ItemAction'
import { Made } from './Made'
import classes from './TitleItem.module.css'

/** What one mostly does with an item that is one's own, shared, or neither. */
const actions = { own: 'edit', shared: 'read', none: 'ask' } as const

interface TitleItemProps {
  item: KnowledgeFieldsFragment
  /** What the item is to the viewer. */
  rights: keyof typeof actions
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
      <ItemAction action={actions[rights]} item={item} className={classes.action} />
    </li>
  )
}
