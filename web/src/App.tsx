import { Center, Loader } from '@mantine/core'
import { lazy, Suspense, useEffect, useRef } from 'react'
import { Navigate, Route, Routes, useLocation } from 'react-router'

import { SignInPage } from './features/session/SignInPage'
import { SignUpPage } from './features/session/SignUpPage'
import { useForgetting, useSession } from './features/session/use-session'
import { Failure } from './ui/States'

const loadSignedIn = () => import('./SignedIn')
const SignedIn = lazy(loadSignedIn)

/** App is who may see which pages. */
export function App() {
  const { viewer, error, refetch } = useSession()
  useOtherPerson(viewer?.id)
  useForgetting(viewer)

  if (viewer) {
    return (
      <Suspense fallback={<Waiting />}>
        <SignedIn viewer={viewer} />
      </Suspense>
    )
  }
  if (viewer === null) {
    return (
      // Who begins to fill in the form will need the rest soon.
      <div onFocus={() => void loadSignedIn().catch(() => undefined)}>
        <Routes>
          <Route path="/sign-in" element={<SignInPage />} />
          <Route path="/sign-up" element={<SignUpPage />} />
          <Route path="*" element={<ToSignIn />} />
        </Routes>
      </div>
    )
  }
  if (!error) return <Waiting />
  return (
    <Center mih="100dvh" p="md" component="main">
      <Failure error={error} title="Lorebridge could not be loaded" onRetry={() => void refetch().catch(() => undefined)} />
    </Center>
  )
}

function Waiting() {
  return (
    <Center mih="100dvh" component="main">
      <Loader aria-label="Loading" />
    </Center>
  )
}

/** ToSignIn remembers where the way led. */
function ToSignIn() {
  const { pathname, search } = useLocation()
  const from = pathname === '/' ? undefined : pathname + search
  return <Navigate to="/sign-in" replace state={from && { from }} />
}

/** useOtherPerson loads the page anew where another tab has signed in somebody else: nothing of the first person may stay. */
function useOtherPerson(viewerId: string | undefined) {
  const before = useRef(viewerId)
  useEffect(() => {
    if (before.current && viewerId && before.current !== viewerId) window.location.reload()
    before.current = viewerId
  }, [viewerId])
}
