import { Alert, Button, Group, Loader, Stack, Textarea } from '@mantine/core'
import { IconAlertTriangle, IconCheck, IconX } from '@tabler/icons-react'
import { useEffect, useLayoutEffect, useRef, type RefObject } from 'react'

import type { KnowledgeResponse, RequestFieldsFragment } from '../../gql/operations'
import { fieldErrorOf, messageOf } from '../../ui/errors'
import { bytesOf, Remaining } from '../../ui/Remaining'
import classes from './AnswerForm.module.css'
import { useAnswer } from './use-answer'

const maxAnswer = 64 * 1024 // bytes

interface AnswerFormProps {
  request: RequestFieldsFragment
  /** The element that gets the focus after the answer, when the form is gone. */
  focusAfter: RefObject<HTMLElement | null>
  /** Whether a heading above already names this as the answer. */
  isTitled?: boolean
}

/** AnswerForm lets the owner approve or deny at once, with a text or without. */
export function AnswerForm({ request, focusAfter, isTitled = false }: AnswerFormProps) {
  const { requester, knowledge } = request
  const { draft, write, send } = useAnswer(request)
  const form = useRef<HTMLDivElement>(null)
  const field = useRef<HTMLTextAreaElement>(null)
  const notes = [
    ...(isTitled ? ['A text is optional.'] : []),
    ...(knowledge ? [`Approving shares “${knowledge.title}” with ${requester.name}.`] : []),
  ]
  const used = bytesOf(draft.text.trim())
  const tooLong = used > maxAnswer ? `This is longer than ${maxAnswer / 1024} KiB. Shorten it.` : undefined
  const rejected = fieldErrorOf(draft.error, 'responseContent')

  useEffect(() => {
    if (rejected) field.current?.focus()
  }, [rejected])
  useLayoutEffect(() => {
    const leaving = form.current
    const next = focusAfter.current
    return () => {
      if (leaving?.contains(document.activeElement)) next?.focus()
    }
  }, [focusAfter])

  function answer(status: KnowledgeResponse) {
    if (tooLong) field.current?.focus()
    else void send(status)
  }

  // A disabled button would lose the focus. So presses do nothing while an answer is being sent.
  const busy = draft.sending !== undefined
  const loader = <Loader size={16} color="currentColor" />
  return (
    <Stack gap="sm" ref={form} role="group" aria-label={`Answer ${requester.name}`}>
      <Textarea
        ref={field}
        aria-label={isTitled ? 'Answer (optional)' : undefined}
        label={
          isTitled ? undefined : (
            <>
              Answer <span className={classes.optional}>(optional)</span>
            </>
          )
        }
        description={notes.join(' ') || undefined}
        inputWrapperOrder={['label', 'input', 'error', 'description']}
        classNames={{ input: classes.input, description: classes.description }}
        rows={2}
        value={draft.text}
        onChange={(event) => write(event.currentTarget.value)}
        readOnly={busy}
        error={tooLong ?? rejected}
      />
      <Remaining used={used} limit={maxAnswer} unit="bytes" />
      {draft.error !== undefined && !rejected && (
        <Alert color="red" role="alert" icon={<IconAlertTriangle aria-hidden />} title="Your answer was not sent">
          {messageOf(draft.error)}
        </Alert>
      )}
      <Group gap="sm" className={classes.buttons}>
        <Button
          onClick={() => answer('APPROVED')}
          aria-disabled={busy}
          leftSection={draft.sending === 'APPROVED' ? loader : <IconCheck size={18} aria-hidden />}
        >
          Approve
        </Button>
        <Button
          variant="default"
          onClick={() => answer('DENIED')}
          aria-disabled={busy}
          leftSection={draft.sending === 'DENIED' ? loader : <IconX size={18} aria-hidden />}
        >
          Deny
        </Button>
      </Group>
    </Stack>
  )
}
