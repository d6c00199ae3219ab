import { useMutation } from '@apollo/client/react'
import { Alert, Anchor, Button, PasswordInput, Stack, Text, TextInput } from '@mantine/core'
import { useState, type SubmitEvent } from 'react'
import { Link } from 'react-router'

import { SignInDocument } from '../../gql/operations'
import { fieldErrorOf, messageOf, shown } from '../../ui/errors'
import { Welcome } from './Welcome'
import { useSession } from './use-session'

export function SignInPage() {
  const { setViewer } = useSession()
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [signIn, { loading, error }] = useMutation(SignInDocument)

  async function submit(event: SubmitEvent) {
    event.preventDefault()
    const { data } = await signIn({ variables: { input: { email, password, session: 'COOKIE' } } }).catch(shown)
    if (data) setViewer(data.signIn.user)
  }

  const refused = fieldErrorOf(error, 'email') ?? fieldErrorOf(error, 'password')
  return (
    <Welcome title="Sign in">
      <form onSubmit={submit}>
        <Stack>
          {error && !refused && (
            <Alert color="red" role="alert">
              {messageOf(error)}
            </Alert>
          )}
          <TextInput
            label="E-mail"
            type="email"
            autoComplete="username"
            required
            withAsterisk={false}
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
            error={fieldErrorOf(error, 'email')}
          />
          <PasswordInput
            label="Password"
            autoComplete="current-password"
            required
            withAsterisk={false}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            error={fieldErrorOf(error, 'password')}
          />
          <Button type="submit" loading={loading}>
            Sign in
          </Button>
        </Stack>
      </form>
      <Text size="sm" ta="center">
        New here?{' '}
        <Anchor component={Link} to="/sign-up" inherit underline="always">
          Create an account
        </Anchor>
      </Text>
    </Welcome>
  )
}
