import { Alert, Button, Group, Stack, Textarea, TextInput } from '@mantine/core'
import { useWindowEvent } from '@mantine/hooks'
import { useEffect, useRef, useState, type ReactNode, type SubmitEvent } from 'react'

import { fieldErrorOf, messageOf } from '../../ui/errors'
import { bytesOf, charactersOf, Remaining } from '../../ui/Remaining'
import classes from './KnowledgeForm.module.css'

const maxTitle = 200 // characters
const maxContent = 64 * 1024 // bytes

export interface KnowledgeText {
  title: string
  content: string
}

interface KnowledgeFormProps {
  initial: KnowledgeText
  /** The label of the button that saves. */
  submit: string
  saving: boolean
  /** Why the last attempt failed. */
  error: unknown
  onSubmit: (text: KnowledgeText) => void
  /** The element beside the button that saves. */
  cancel: ReactNode
}

/**
 * KnowledgeForm is the form for an item. If saving fails, it keeps the text and moves the focus to the wrong field.
 * The browser asks before the tab is closed with unsaved text, but links to other pages of the app do not.
 */
export function KnowledgeForm({ initial, submit, saving, error, onSubmit, cancel }: KnowledgeFormProps) {
  const [title, setTitle] = useState(initial.title)
  const [content, setContent] = useState(initial.content)
  const [checked, setChecked] = useState(false)
  const titleField = useRef<HTMLInputElement>(null)
  const contentField = useRef<HTMLTextAreaElement>(null)

  const changed = title !== initial.title || content !== initial.content
  useWindowEvent('beforeunload', (event) => {
    if (changed) event.preventDefault()
  })

  const used = { title: charactersOf(title), content: bytesOf(content) }
  const rejected = { title: fieldErrorOf(error, 'title'), content: fieldErrorOf(error, 'content') }
  const wrong = {
    title: titleProblem(used.title) ?? rejected.title,
    content: contentProblem(content, used.content) ?? rejected.content,
  }

  useEffect(() => {
    if (fieldErrorOf(error, 'title')) titleField.current?.focus()
    else if (fieldErrorOf(error, 'content')) contentField.current?.focus()
  }, [error])

  function save(event: SubmitEvent) {
    event.preventDefault()
    if (saving) return
    setChecked(true)
    if (titleProblem(used.title)) titleField.current?.focus()
    else if (contentProblem(content, used.content)) contentField.current?.focus()
    else onSubmit({ title, content })
  }

  return (
    <form onSubmit={save} noValidate>
      <Stack gap="lg">
        <div>
          <TextInput
            ref={titleField}
            label="Title"
            description="Everybody here sees it, and asks for the content by it."
            size="md"
            required
            withAsterisk={false}
            value={title}
            onChange={(event) => setTitle(event.currentTarget.value)}
            error={checked && wrong.title}
          />
          <Remaining used={used.title} limit={maxTitle} unit="characters" />
        </div>
        <div>
          <Textarea
            ref={contentField}
            label="Content"
            description="Only you can read it, and those whose request you approve."
            size="md"
            autosize
            minRows={8}
            maxRows={24}
            required
            withAsterisk={false}
            value={content}
            onChange={(event) => setContent(event.currentTarget.value)}
            error={checked && wrong.content}
          />
          <Remaining used={used.content} limit={maxContent} unit="bytes" />
        </div>
        {error !== undefined && !rejected.title && !rejected.content && (
          <Alert color="red" role="alert" title="It has not been saved">
            {messageOf(error)}
          </Alert>
        )}
        <Group gap="sm">
          <Button type="submit" className={classes.action} loading={saving}>
            {submit}
          </Button>
          {cancel}
        </Group>
      </Stack>
    </form>
  )
}

function titleProblem(characters: number): string | undefined {
  if (characters === 0) return 'Give it a title.'
  return characters > maxTitle ? `A title has at most ${maxTitle} characters.` : undefined
}

function contentProblem(content: string, bytes: number): string | undefined {
  if (content.trim() === '') return 'Write down what you know.'
  return bytes > maxContent ? `This is longer than ${maxContent / 1024} KiB. Shorten it, or make two items of it.` : undefined
}
