import { useMutation, useQuery } from '@apollo/client/react'
import { Alert, Anchor, Button, Group, Stack, Text, Textarea } from '@mantine/core'
import { useWindowEvent } from '@mantine/hooks'
import { notifications } from '@mantine/notifications'
import { IconInfoCircle, IconSend } from '@tabler/icons-react'
import { useEffect, useRef, useState, type KeyboardEvent, type SubmitEvent } from 'react'
import { Link, useLocation } from 'wouter'

import { AskDocument, MeDocument, type RequestFieldsFragment } from '../../gql/operations'
import { putRequest } from '../../gql/request-cache'
import { fieldErrorOf, handledElsewhere } from '../../ui/errors'
import { charactersOf, Remaining } from '../../ui/Remaining'
import classes from './AskForm.module.css'
import { PersonField, type Person } from './PersonField'
import { problemOf } from './problems'

const maxQuestion = 2000 // characters
const number = new Intl.NumberFormat('en')

interface AskFormProps {
  /** The requested item. Without one the form has a field for a person. */
  item?: { id: string; title: string; owner: Person }
  /** The person chosen at first. */
  person?: Person
}

/**
 * AskForm is the form for a question. If sending fails, it keeps the text. The text is lost with the page, so the
 * browser asks before the page is closed or reloaded.
 */
export function AskForm({ item, person: first }: AskFormProps) {
  const [, navigate] = useLocation()
  const viewerId = useQuery(MeDocument).data?.viewer?.user.id
  const [person, setPerson] = useState<Person | null>(first ?? null)
  const [question, setQuestion] = useState('')
  const [checked, setChecked] = useState(false)
  const [pending, setPending] = useState<RequestFieldsFragment>()
  const personField = useRef<HTMLInputElement>(null)
  const questionField = useRef<HTMLTextAreaElement>(null)
  const [ask, { loading, error, reset }] = useMutation(AskDocument, {
    update(cache, { data }) {
      const request = data?.createKnowledgeRequest?.knowledgeRequest
      if (request && viewerId) putRequest(cache, request, viewerId)
    },
  })

  useWindowEvent('beforeunload', (event) => {
    if (question.trim()) event.preventDefault()
  })

  const used = charactersOf(question)
  const noPerson = !item && !person ? 'Choose whom to ask.' : undefined
  const wrong = questionProblem(used) ?? fieldErrorOf(error, 'question')
  const problem = error && !fieldErrorOf(error, 'question') ? problemOf(error, item?.id) : undefined

  useEffect(() => {
    if (fieldErrorOf(error, 'question')) questionField.current?.focus()
  }, [error])

  async function send(event: SubmitEvent) {
    event.preventDefault()
    if (loading) return
    setChecked(true)
    setPending(undefined)
    if (noPerson) {
      personField.current?.focus()
      return
    }
    if (questionProblem(used)) {
      questionField.current?.focus()
      return
    }
    const whom = item ? { knowledgeId: item.id } : { ownerId: person?.id }
    const { data } = await ask({ variables: { input: { ...whom, question } } }).catch(handledElsewhere)
    if (!data?.createKnowledgeRequest) return
    const { alreadyExists, knowledgeRequest: request } = data.createKnowledgeRequest
    if (alreadyExists) {
      setPending(request)
      return
    }
    showAsked(request)
    navigate('/sent')
  }

  function sendByKey(event: KeyboardEvent<HTMLFormElement>) {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
    event.preventDefault()
    event.currentTarget.requestSubmit()
  }

  function choose(person: Person | null) {
    setPerson(person)
    setPending(undefined)
    reset()
  }

  return (
    <form onSubmit={(event) => void send(event)} onKeyDown={sendByKey} noValidate>
      <Stack gap="lg">
        {!item && (
          <PersonField ref={personField} value={person} onChange={choose} error={checked ? noPerson : undefined} />
        )}
        <div>
          <Textarea
            ref={questionField}
            label="Your question"
            description={item && 'Say what you need it for: it helps to decide.'}
            size="md"
            autosize
            minRows={5}
            maxRows={18}
            required
            withAsterisk={false}
            value={question}
            onChange={(event) => setQuestion(event.currentTarget.value)}
            error={checked && wrong}
          />
          <Remaining used={used} limit={maxQuestion} unit="characters" />
        </div>
        {problem && (
          <Alert color="red" role="alert" title={problem.title}>
            <TextWithLink text={problem.text} link={problem.link} />
          </Alert>
        )}
        {pending && (
          <Alert color="teal" role="alert" icon={<IconInfoCircle aria-hidden />} title="You have asked this already">
            <TextWithLink
              text={`${pending.owner.name} has not answered yet.`}
              link={{ to: `/requests/${pending.id}`, label: 'See your request' }}
            />
          </Alert>
        )}
        <Group gap="md">
          <Button
            type="submit"
            className={classes.send}
            loading={loading}
            leftSection={<IconSend size={18} aria-hidden />}
          >
            Send
          </Button>
          <Text size="sm" c="dimmed" className={classes.hint}>
            or press {onMac ? '⌘' : 'Ctrl'} + Enter
          </Text>
        </Group>
      </Stack>
    </form>
  )
}

function TextWithLink({ text, link }: { text: string; link?: { to: string; label: string } }) {
  return (
    <Text size="sm">
      {text}{' '}
      {link && (
        <Anchor component={Link} to={link.to} inherit underline="always">
          {link.label}
        </Anchor>
      )}
    </Text>
  )
}

function questionProblem(characters: number): string | undefined {
  if (characters === 0) return 'Write your question.'
  return characters > maxQuestion ? `A question has at most ${number.format(maxQuestion)} characters.` : undefined
}

function showAsked({ id, owner }: RequestFieldsFragment) {
  const toast = `asked-${id}`
  notifications.show({
    id: toast,
    color: 'teal',
    autoClose: 8000,
    message: (
      <>
        {owner.name} was asked.{' '}
        <Anchor
          component={Link}
          to={`/requests/${id}`}
          inherit
          underline="always"
          onClick={() => notifications.hide(toast)}
        >
          See it
        </Anchor>
      </>
    ),
  })
}

const onMac = /Mac|iPhone|iPad/.test(navigator.userAgent)
