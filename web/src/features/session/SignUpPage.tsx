import { useMutation } from '@apollo/client/react'
import { Alert, Anchor, Button, PasswordInput, Stack, Text, TextInput } from '@mantine/core'
import { useState, type SubmitEvent } from 'react'
import { Link } from 'react-router'

import { SignUpDocument } from '../../gql/operations'
import { fieldErrorOf, messageOf, shown } from '../../ui/errors'
import { Welcome } from './Welcome'
import { useSession } from './use-session'

export function SignUpPage() {
  const { setViewer } = useSession()
  const [name, setName] = useState('')
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [signUp, { loading, error }] = useMutation(SignUpDocument)

  async function submit(event: SubmitEvent) {
    event.preventDefault()
    const { data } = await signUp({ variables: { input: { name, email, password, session: 'COOKIE' } } }).catch(shown)
    if (data) setViewer(data.signUp.user)
  }

  const refused = ['name', 'email', 'password'].some((field) => fieldErrorOf(error, field))
  return (
    <Welcome title="Create an account">
      <form onSubmit={submit}>
        <Stack>
          {error && !refused && (
            <Alert color="red" role="alert">
              {messageOf(error)}
            </Alert>
          )}
          <TextInput
            label="Name"
            description="Colleagues see it beside what you know."
            autoComplete="name"
            required
            withAsterisk={false}
            maxLength={100}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={fieldErrorOf(error, 'name')}
          />
          <TextInput
            label="E-mail"
            type="email"
            description="To sign in. Nobody else sees it."
            autoComplete="username"
            required
            withAsterisk={false}
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
            error={fieldErrorOf(error, 'email')}
          />
          <PasswordInput
            label="Password"
            description="8 characters or more."
            autoComplete="new-password"
            required
            withAsterisk={false}
            minLength={8}
            maxLength={200}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            error={fieldErrorOf(error, 'password')}
          />
          <Button type="submit" loading={loading}>
            Create an account
          </Button>
        </Stack>
      </form>
      <Text size="sm" ta="center">
        You have one already?{' '}
        <Anchor component={Link} to="/sign-in" inherit underline="always">
          Sign in
        </Anchor>
      </Text>
    </Welcome>
  )
}
