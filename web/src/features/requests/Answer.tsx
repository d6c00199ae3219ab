import { Button, Text } from '@mantine/core'
import { IconBook } from '@tabler/icons-react'
import { Link } from 'wouter'

import type { RequestFieldsFragment } from '../../gql/operations'
import cardClasses from '../../ui/Card.module.css'
import { Moment } from '../../ui/Moment'
import classes from './Answer.module.css'

interface AnswerProps {
  request: RequestFieldsFragment
  viewerId: string
}

/** Answer shows the answer with its time and text, or that there is none yet. */
export function Answer({ request, viewerId }: AnswerProps) {
  const { status, owner, requester, knowledge, responseContent, respondedAt } = request
  const isOwner = owner.id === viewerId
  if (status === 'PENDING') {
    return <Text c="dimmed">{isOwner ? `${requester.name} is waiting for you.` : `Waiting for ${owner.name}.`}</Text>
  }

  const verb = status === 'APPROVED' ? 'approved' : 'denied'
  return (
    <div className={classes.answer} data-status={status}>
      <Text size="sm" c="dimmed">
        {isOwner ? 'You' : owner.name} {verb} this
        {responseContent ? '' : ', without a text'}
        {respondedAt && (
          <>
            {' · '}
            <Moment at={respondedAt} />
          </>
        )}
      </Text>
      {responseContent && <Text className={cardClasses.text}>{responseContent}</Text>}
      {!isOwner && knowledge && status === 'APPROVED' && (
        <Button
          component={Link}
          to={`/library/${knowledge.id}`}
          className={classes.read}
          variant="light"
          leftSection={<IconBook size={18} aria-hidden />}
          aria-label={`Read it: ${knowledge.title}`}
        >
          Read it
        </Button>
      )}
    </div>
  )
}
