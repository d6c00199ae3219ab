import { useMutation } from '@apollo/client/react'
import { Button } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { Link, useLocation } from 'wouter'

import { CreateKnowledgeDocument } from '../../gql/operations'
import { Page } from '../../ui/Page'
import { handledElsewhere } from '../../ui/errors'
import { KnowledgeForm, type KnowledgeText } from './KnowledgeForm'
import classes from './KnowledgeForm.module.css'
import { listOf, putOnTop } from './library-cache'

const nothing: KnowledgeText = { title: '', content: '' }

/** NewKnowledgePage is the page for adding an item. */
export function NewKnowledgePage() {
  const [, navigate] = useLocation()
  const [create, { loading, error }] = useMutation(CreateKnowledgeDocument, {
    update(cache, { data }) {
      const item = data?.createKnowledge?.knowledge
      if (item) putOnTop(cache, listOf('mine', item.owner.id, ''), [item])
    },
  })

  async function save({ title, content }: KnowledgeText) {
    const { data } = await create({ variables: { input: { title, content } } }).catch(handledElsewhere)
    if (!data?.createKnowledge) return
    const { id, title: named } = data.createKnowledge.knowledge
    notifications.show({ message: `“${named}” is in the library.`, color: 'teal' })
    navigate(`/library/${id}`, { replace: true })
  }

  return (
    <Page title="Add what you know" lead="Colleagues find its title and ask you. You decide who reads it.">
      <KnowledgeForm
        initial={nothing}
        submit="Add to the library"
        saving={loading}
        error={error}
        onSubmit={(text) => void save(text)}
        cancel={
          <Button component={Link} to="/library?view=mine" variant="default" className={classes.action}>
            Cancel
          </Button>
        }
      />
    </Page>
  )
}
