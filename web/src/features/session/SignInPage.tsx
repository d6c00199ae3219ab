import { useMutation } from '@apollo/client/react'
import { Anchor, Text } from '@mantine/core'
import { Link } from 'wouter'

import { SignInDocument } from '../../gql/operations'
import { handledElsewhere } from '../../ui/errors'
import { AccountForm } from './AccountForm'
import { useSession } from './use-session'
import { Welcome } from './Welcome'

export function SignInPage() {
  const { setViewer } = useSession()
  const [signIn, { loading, error }] = useMutation(SignInDocument)

  async function submit(account: { email: string; password: string }) {
    const { data } = await signIn({ variables: { input: { ...account, session: 'COOKIE' } } }).catch(handledElsewhere)
    if (data?.signIn) setViewer(data.signIn.viewer)
  }

  return (
    <Welcome title="Sign in">
      <AccountForm
        fields={{
          email: { label: 'E-mail', type: 'email', autoComplete: 'username' },
          password: { label: 'Password', type: 'password', autoComplete: 'current-password' },
        }}
        submit="Sign in"
        sending={loading}
        error={error}
        onSubmit={(account) => void submit(account)}
      />
      <Text size="sm" ta="center">
        New here?{' '}
        <Anchor component={Link} to="/sign-up" inherit underline="always">
          Create an account
        </Anchor>
      </Text>
    </Welcome>
  )
}
