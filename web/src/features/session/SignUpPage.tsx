import { useMutation } from '@apollo/client/react'
import { Anchor, Text } from '@mantine/core'
import { Link } from 'wouter'

import { SignUpDocument } from '../../gql/operations'
import { handledElsewhere } from '../../ui/errors'
import { AccountForm } from './AccountForm'
import { useSession } from './use-session'
import { Welcome } from './Welcome'

export function SignUpPage() {
  const { setViewer } = useSession()
  const [signUp, { loading, error }] = useMutation(SignUpDocument)

  async function submit(account: { name: string; email: string; password: string }) {
    const { data } = await signUp({ variables: { input: { ...account, session: 'COOKIE' } } }).catch(handledElsewhere)
    if (data?.signUp) setViewer(data.signUp.viewer)
  }

  return (
    <Welcome title="Create an account">
      <AccountForm
        fields={{
          name: {
            label: 'Name',
            description: 'Colleagues see it beside what you know.',
            autoComplete: 'name',
            maxLength: 100,
          },
          email: {
            label: 'E-mail',
            description: 'To sign in. Nobody else sees it.',
            type: 'email',
            autoComplete: 'username',
          },
          password: {
            label: 'Password',
            description: '8 characters or more.',
            type: 'password',
            autoComplete: 'new-password',
            minLength: 8,
            maxLength: 200,
          },
        }}
        submit="Create an account"
        sending={loading}
        error={error}
        onSubmit={(account) => void submit(account)}
      />
      <Text size="sm" ta="center">
        You have one already?{' '}
        <Anchor component={Link} to="/sign-in" inherit underline="always">
          Sign in
        </Anchor>
      </Text>
    </Welcome>
  )
}
