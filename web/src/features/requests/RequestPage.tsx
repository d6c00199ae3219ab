import { Anchor, Button, Text, Title } from '@mantine/core'
import { IconFileUnknown } from '@tabler/icons-react'
import { useId, useRef } from 'react'
import { Link, useParams } from 'wouter'

import type { RequestFieldsFragment } from '../../gql/operations'
import cardClasses from '../../ui/Card.module.css'
import { Moment } from '../../ui/Moment'
import { Page } from '../../ui/Page'
import { Empty, Failure, Loading } from '../../ui/States'
import { StatusBadge } from '../../ui/StatusBadge'
import { Answering } from './Answering'
import classes from './RequestPage.module.css'
import { useRequest } from './use-request'

/** RequestPage shows one request, to its requester and to its owner. */
export function RequestPage() {
  const { id = '' } = useParams()
  return <OneRequest key={id} id={id} />
}

function OneRequest({ id }: { id: string }) {
  const { viewerId, request, isLoading, isMissing, error, liveError, reload } = useRequest(id)
  if (request && !isMissing) {
    const isOwner = request.owner.id === viewerId
    return (
      <Page
        title={isOwner ? `${request.requester.name} asks you` : `You asked ${request.owner.name}`}
        lead={<Moment at={request.createdAt} />}
        actions={<StatusBadge status={request.status} />}
      >
        {error && <Failure error={error} title="This may not be the latest" onRetry={reload} />}
        {liveError && <Failure error={liveError} title="This page does not change by itself now" onRetry={reload} />}
        <WholeRequest request={request} viewerId={viewerId} />
        <Anchor component={Link} to={isOwner ? '/inbox' : '/sent'} className={classes.back}>
          {isOwner ? 'All requests to you' : 'All that you asked'}
        </Anchor>
      </Page>
    )
  }
  return (
    <Page title="Request">
      {isMissing && (
        <Empty
          icon={<IconFileUnknown />}
          title="There is no such request"
          action={
            <Button component={Link} to="/inbox" mt="xs">
              To your inbox
            </Button>
          }
        >
          It may be gone, or it is between other people.
        </Empty>
      )}
      {isLoading && <Loading label="Loading the request" />}
      {error && !isMissing && <Failure error={error} title="The request could not be loaded" onRetry={reload} />}
    </Page>
  )
}

function WholeRequest({ request, viewerId }: { request: RequestFieldsFragment; viewerId: string }) {
  const answer = useRef<HTMLHeadingElement>(null)
  const id = useId()
  const { knowledge, question } = request
  return (
    <article className={`${cardClasses.card} ${classes.request}`}>
      <section aria-labelledby={`${id}-question`}>
        <Title order={2} size="h5" id={`${id}-question`}>
          Question
        </Title>
        {knowledge && (
          <Text size="sm" c="dimmed" className={classes.item}>
            For{' '}
            <Anchor component={Link} to={`/library/${knowledge.id}`} inherit underline="always">
              {knowledge.title}
            </Anchor>
          </Text>
        )}
        <Text className={cardClasses.text}>{question}</Text>
      </section>
      <section aria-labelledby={`${id}-answer`} className={classes.answer}>
        <Title order={2} size="h5" id={`${id}-answer`} ref={answer} tabIndex={-1}>
          Answer
        </Title>
        <Answering request={request} viewerId={viewerId} focusAfter={answer} isTitled />
      </section>
    </article>
  )
}
