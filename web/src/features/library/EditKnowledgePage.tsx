import { useMutation } from '@apollo/client/react'
import { Anchor, Button } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useState } from 'react'
import { Link, useLocation, useParams } from 'wouter'

import { UpdateKnowledgeDocument } from '../../gql/operations'
import { Page } from '../../ui/Page'
import { Failure, Loading } from '../../ui/States'
import { handledElsewhere } from '../../ui/errors'
import { NotFound } from './NotFound'
import { KnowledgeForm, type KnowledgeText } from './KnowledgeForm'
import classes from './KnowledgeForm.module.css'
import { useItem } from './use-item'

/** EditKnowledgePage is the page on which the owner of an item changes it. */
export function EditKnowledgePage() {
  const { id = '' } = useParams()
  return <Edit key={id} id={id} />
}

function Edit({ id }: { id: string }) {
  // From the server, because the item may have changed since it was last read.
  const { item, own, notFound, error, refetch } = useItem(id, 'network-only')
  const [initial, setInitial] = useState<KnowledgeText>()
  if (!initial && item && own && item.content !== null) setInitial({ title: item.title, content: item.content })

  const retry = () => void refetch().catch(handledElsewhere)
  // Changes of the item meanwhile do not affect the text in the form.
  if (initial) return <Editor id={id} initial={initial} />
  if (notFound) return <NotFound />
  if (item) {
    return (
      <Page title={item.title} lead={`Only ${item.owner.name} can change this item.`}>
        <Anchor component={Link} to={`/library/${id}`}>
          Back to the item
        </Anchor>
      </Page>
    )
  }
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

function Editor({ id, initial }: { id: string; initial: KnowledgeText }) {
  const [, navigate] = useLocation()
  const [update, { loading, error }] = useMutation(UpdateKnowledgeDocument)

  /** save sends only changed fields, because another device may have changed the others meanwhile. */
  async function save({ title, content }: KnowledgeText) {
    const change = { ...(title !== initial.title && { title }), ...(content !== initial.content && { content }) }
    if (Object.keys(change).length > 0) {
      const { data } = await update({ variables: { input: { id, ...change } } }).catch(handledElsewhere)
      if (!data) return
      notifications.show({ message: 'Your changes are saved.', color: 'teal' })
    }
    navigate(`/library/${id}`, { replace: true })
  }

  return (
    <Page title="Edit" lead="Those whom you shared it with see what you change.">
      <KnowledgeForm
        initial={initial}
        submit="Save"
        saving={loading}
        error={error}
        onSubmit={(text) => void save(text)}
        cancel={
          <Button component={Link} to={`/library/${id}`} variant="default" className={classes.action}>
            Cancel
          </Button>
        }
      />
    </Page>
  )
}
