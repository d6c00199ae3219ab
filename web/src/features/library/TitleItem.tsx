import { Link } from 'wouter'

import type { KnowledgeFieldsFragment } from '../../gql/operations'
import card from '../../ui/Card.module.css'
import { ItemAction } from './ItemAction'
import { Dates } from './Dates'
import classes from './TitleItem.module.css'

/** The main action for an item that is one's own, shared, or neither. */
const actions = { own: 'edit', shared: 'read', none: 'ask' } as const

interface TitleItemProps {
  item: KnowledgeFieldsFragment
  /** The viewer's rights to the item. */
  rights: keyof typeof actions
}

/** TitleItem is one title of the library. The whole card is a link to its page, and beside it is the main action. */
export function TitleItem({ item, rights }: TitleItemProps) {
  const { id, title, owner } = item
  return (
    <li className={`${card.card} ${classes.item}`}>
      <div className={classes.text}>
        <h2 className={classes.title}>
          <Link to={`/library/${id}`} className={classes.link}>
            {title}
          </Link>
        </h2>
        <p className={classes.made}>
          {rights !== 'own' && <span className={classes.owner}>{owner.name}</span>}
          <Dates item={item} />
        </p>
      </div>
      <ItemAction action={actions[rights]} item={item} className={classes.action} />
    </li>
  )
}
