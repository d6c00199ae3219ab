import { useQuery } from '@apollo/client/react'
import { Alert, Anchor, Stack, Text } from '@mantine/core'
import { IconBook2, IconInfoCircle } from '@tabler/icons-react'
import { Link, useSearchParams } from 'wouter'

import { AskSubjectDocument, MeDocument, type AskSubjectQuery } from '../../gql/operations'
import card from '../../ui/Card.module.css'
import { handledElsewhere, isMissing } from '../../ui/errors'
import { Page } from '../../ui/Page'
import { Failure, Loading } from '../../ui/States'
import { AskForm } from './AskForm'
import classes from './AskPage.module.css'

/** AskPage is the page for asking a person any question, or for requesting the item in the address. */
export function AskPage() {
  const [params] = useSearchParams()
  const itemId = params.get('knowledge')
  const personId = itemId ? null : params.get('person')
  const subject = itemId ?? personId
  return (
    <Page
      title="Ask"
      lead="They learn of your question the moment you send it, and you of their answer the moment they give it."
    >
      {subject ? <AskAbout key={subject} id={subject} /> : <AskForm />}
    </Page>
  )
}

/** AskAbout is the form for the person or the item in the link. */
function AskAbout({ id }: { id: string }) {
  const viewerId = useQuery(MeDocument).data?.viewer?.user.id
  const { data, error, refetch } = useQuery(AskSubjectDocument, { variables: { id } })
  if (error && !isMissing(error)) {
    const retry = () => void refetch().catch(handledElsewhere)
    return <Failure error={error} title="The form could not be loaded" onRetry={retry} />
  }
  if (!data && !error) return <Loading label="Loading the form" />
  return <About node={data?.node ?? null} viewerId={viewerId} />
}

function About({ node, viewerId }: { node: AskSubjectQuery['node']; viewerId: string | undefined }) {
  if (node?.__typename === 'User' && node.id !== viewerId) return <AskForm person={node} />
  if (node?.__typename === 'Knowledge' && node.owner.id === viewerId) {
    return (
      <Alert color="teal" icon={<IconInfoCircle aria-hidden />} title="This is yours">
        There is nobody to ask for “{node.title}”.{' '}
        <Anchor component={Link} to={`/library/${node.id}`} inherit underline="always">
          Read it
        </Anchor>
      </Alert>
    )
  }
  if (node?.__typename === 'Knowledge') {
    return (
      <>
        <div className={`${card.card} ${classes.subject}`}>
          <IconBook2 size={24} aria-hidden className={classes.icon} />
          <div>
            <Text c="dimmed" size="sm">
              You ask {node.owner.name} for
            </Text>
            <Anchor component={Link} to={`/library/${node.id}`} fw={600} className={classes.title}>
              {node.title}
            </Anchor>
          </div>
        </div>
        <AskForm item={node} />
      </>
    )
  }
  return (
    <Stack gap="lg">
      <Alert color="gray" icon={<IconInfoCircle aria-hidden />} role="status">
        What the link leads to is not there any more. You can ask anybody here a question.
      </Alert>
      <AskForm />
    </Stack>
  )
}
