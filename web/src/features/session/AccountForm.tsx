import { Alert, Button, PasswordInput, Stack, TextInput } from '@mantine/core'
import { useState, type ChangeEvent, type SubmitEvent } from 'react'

import { fieldErrorOf, messageOf } from '../../ui/errors'

interface Field {
  label: string
  description?: string
  type?: 'email' | 'password'
  /** What the browser's store of passwords is to make of it. */
  autoComplete: string
  minLength?: number
  maxLength?: number
}

interface AccountFormProps<Name extends string> {
  /** The fields by the names that the API has for them. All must be filled in. */
  fields: Record<Name, Field>
  /** What the button says. */
  submit: string
  sending: boolean
  /** Why the last attempt failed. */
  error: unknown
  onSubmit: (values: Record<Name, string>) => void
}

/** AccountForm is where one says who one is. What the server refuses is said at its field, and all else above. */
export function AccountForm<Name extends string>({ fields, submit, sending, error, onSubmit }: AccountFormProps<Name>) {
  const names = Object.keys(fields) as Name[]
  const blank = () => Object.fromEntries(names.map((name) => [name, ''])) as Record<Name, string>
  const [values, setValues] = useState(blank)

  function send(event: SubmitEvent) {
    event.preventDefault()
    onSubmit(values)
  }

  const isAtField = names.some((name) => fieldErrorOf(error, name))
  return (
    <form onSubmit={send}>
      <Stack>
        {error !== undefined && !isAtField && (
          <Alert color="red" role="alert">
            {messageOf(error)}
          </Alert>
        )}
        {names.map((name) => {
          const { type, ...field } = fields[name]
          const props = {
            ...field,
            required: true,
            withAsterisk: false,
            value: values[name],
            onChange: ({ currentTarget: { value } }: ChangeEvent<HTMLInputElement>) => {
              setValues((before) => ({ ...before, [name]: value }))
            },
            error: fieldErrorOf(error, name),
          }
          if (type === 'password') return <PasswordInput key={name} {...props} />
          return <TextInput key={name} type={type} {...props} />
        })}
        <Button type="submit" loading={sending}>
          {submit}
        </Button>
      </Stack>
    </form>
  )
}
