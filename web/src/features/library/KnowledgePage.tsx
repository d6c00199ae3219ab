import { useApolloClient } from '@apollo/client/react'
import { Alert, Anchor, Group, Skeleton, Stack, Text } from '@mantine/core'
import { IconArrowLeft, IconLock, IconLockOpen } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { Link, useLocation, useParams } from 'wouter'

import card from '../../ui/Card.module.css'
import { Page } from '../../ui/Page'
import { Failure, Loading } from '../../ui/States'
import { handledElsewhere } from '../../ui/errors'
import { DeleteKnowledge } from './DeleteKnowledge'
import { NotFound } from './NotFound'
import classes from './KnowledgePage.module.css'
import { ItemAction } from './ItemAction'
import { forget } from './library-cache'
import { Dates } from './Dates'
import { useItem } from './use-item'

/** KnowledgePage shows one item, to read, to request, or to change for its owner. */
export function KnowledgePage() {
  const { id = '' } = useParams()
  return <Item key={id} id={id} />
}

function Item({ id }: { id: string }) {
  const client = useApolloClient()
  const [, navigate] = useLocation()
  const [deleted, setDeleted] = useState(false)
  const { item, known, own, notFound, error, refetch } = useItem(deleted ? undefined : id)

  // Once nothing here reads the item any more: else it would be asked for again.
  useEffect(() => {
    if (!deleted) return
    forget(client.cache, id)
    navigate('/library?view=mine', { replace: true })
  }, [deleted, client, id, navigate])

  const retry = () => void refetch().catch(handledElsewhere)
  if (deleted) return null
  if (notFound) return <NotFound />
  if (!known) {
    return (
      <Page title="Item">
        {error ? (
          <Failure error={error} title="This item could not be loaded" onRetry={retry} />
        ) : (
          <Loading label="Loading the item" />
        )}
      </Page>
    )
  }
  return (
    <Page
      title={known.title}
      lead={
        <>
          {own ? 'Yours' : known.owner.name} · <Dates item={known} />
        </>
      }
      actions={
        own && (
          <Group gap="sm">
            <ItemAction action="edit" item={known} className={classes.action} isTitled />
            <DeleteKnowledge item={known} className={classes.action} onDeleted={() => setDeleted(true)} />
          </Group>
        )
      }
    >
      {item ? (
        <Content item={item} own={own} />
      ) : error ? (
        <Failure error={error} title="Its content could not be loaded" onRetry={retry} />
      ) : (
        <Stack gap="sm" role="status" aria-label="Loading the content">
          <Skeleton height={14} />
          <Skeleton height={14} />
          <Skeleton height={14} width="60%" />
        </Stack>
      )}
      <Anchor component={Link} to={own ? '/library?view=mine' : '/library'} size="sm" className={classes.back}>
        <IconArrowLeft size={16} aria-hidden />
        Back to the library
      </Anchor>
    </Page>
  )
}

interface ContentProps {
  item: { id: string; title: string; content: string | null; owner: { name: string } }
  own: boolean
}

/** Content is the text of the item, or how to get it. */
function Content({ item, own }: ContentProps) {
  const { content, owner } = item
  if (content === null) {
    return (
      <div className={`${card.card} ${classes.locked}`}>
        <IconLock size={28} aria-hidden className={classes.lock} />
        <Text>{owner.name} shares this on request.</Text>
        <Text c="dimmed" size="sm">
          Say what you need it for. You are told the moment {owner.name} answers, and can read it here once it is
          shared.
        </Text>
        <ItemAction action="ask" item={item} className={classes.action} variant="filled">
          Ask {owner.name}
        </ItemAction>
      </div>
    )
  }
  return (
    <>
      {!own && (
        <p className={classes.shared}>
          <IconLockOpen size={16} aria-hidden />
          Shared with you
        </p>
      )}
      {content.trim() ? (
        <div className={`${card.card} ${card.text} ${classes.content}`}>{content}</div>
      ) : (
        <Alert color="gray">There is nothing written here yet.</Alert>
      )}
    </>
  )
}
