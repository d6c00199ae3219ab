import { Anchor, Text, Title, VisuallyHidden } from '@mantine/core'
import { useRef } from 'react'
import { Link } from 'wouter'

import type { RequestFieldsFragment } from '../../gql/operations'
import cardClasses from '../../ui/Card.module.css'
import { Moment } from '../../ui/Moment'
import { StatusBadge } from '../../ui/StatusBadge'
import { Answering } from './Answering'
import classes from './RequestCard.module.css'

interface RequestCardProps {
  request: RequestFieldsFragment
  viewerId: string
}

/** headingOf returns the id of a card's heading, which can take the focus. */
export const headingOf = (requestId: string) => `request-${requestId}`

/** RequestCard is a request in a list: the people, the question, the status, and the answer or its form. */
export function RequestCard({ request, viewerId }: RequestCardProps) {
  const heading = useRef<HTMLHeadingElement>(null)
  const { id, owner, requester, knowledge, question, status, createdAt } = request
  return (
    <article className={`${cardClasses.card} ${classes.card}`} aria-labelledby={headingOf(id)}>
      <div className={classes.top}>
        <Title order={2} size="h5" id={headingOf(id)} ref={heading} tabIndex={-1} className={classes.heading}>
          {owner.id === viewerId ? `${requester.name} asks you` : `You asked ${owner.name}`}
          {knowledge && (
            <>
              {' for '}
              <Anchor component={Link} to={`/library/${knowledge.id}`} inherit underline="always">
                {knowledge.title}
              </Anchor>
            </>
          )}
        </Title>
        <StatusBadge status={status} />
      </div>
      <Anchor component={Link} to={`/requests/${id}`} size="sm" c="dimmed" className={classes.open}>
        <Moment at={createdAt} />
        <VisuallyHidden>: open this request</VisuallyHidden>
      </Anchor>
      <Text className={cardClasses.text}>{question}</Text>
      <div className={classes.answer}>
        <Answering request={request} viewerId={viewerId} focusAfter={heading} />
      </div>
    </article>
  )
}
