import { useMutation } from '@apollo/client/react'
import { Anchor, Button } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useState } from 'react'
import { Link, useLocation, useParams } from 'wouter'

import { UpdateKnowledgeDocument } from '../../gql/operations'
import { Page } from '../../ui/Page'
import { Failure, Loading } from '../../ui/States'
import { handledElsewhere } from '../../ui/errors'
import { Gone } from './Gone'
import { KnowledgeForm, type KnowledgeText } from './KnowledgeForm'
import classes from './KnowledgeForm.module.css'
import { useItem } from './use-item'

/** EditKnowledgePage is where the owner of an item changes it. */
export function EditKnowledgePage() {
  const { id = '' } = useParams()
  return <Edit key={id} id={id} />
}

function Edit({ id }: { id: string }) {
  // From the server: what is changed is what is there now, not what was there when it was last read.
  const { item, own, gone, error, refetch } = useItem(id, 'network-only')
  const [initial, setInitial] = useState<KnowledgeText>()
  if (!initial && item && own && item.content !== null) setInitial({ title: item.title, content: item.content })

  const retry = () => void refetch().catch(handledElsewhere)
  // Whatever becomes of the item meanwhile, what is being written stays.
  if (initial) return <Editor id={id} initial={initial} />
  if (gone) return <Gone />
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

  /** save sends only what was changed: the rest may have been changed on another device meanwhile. */
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
