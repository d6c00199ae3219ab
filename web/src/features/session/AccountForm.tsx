import { Alert, Button, PasswordInput, Stack, TextInput } from '@mantine/core'
import { useState, type ChangeEvent, type SubmitEvent } from 'react'

import { fieldErrorOf, messageOf } from '../../ui/errors'

interface Field {
  label: string
  description?: string
  type?: 'email' | 'password'
  /** The value for the browser's password manager. */
  autoComplete: string
  minLength?: number
  maxLength?: number
}

interface AccountFormProps<Name extends string> {
  /** The fields by their names in the API. All are required. */
  fields: Record<Name, Field>
  /** The label of the button. */
  submit: string
  sending: boolean
  /** Why the last attempt failed. */
  error: unknown
  onSubmit: (values: Record<Name, string>) => void
}

/**
 * AccountForm is the form for signing in and signing up. It shows an error about a field at that field, and other
 * errors above.
 */
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
