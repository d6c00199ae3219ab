import { Center, Loader } from '@mantine/core'
import { lazy, Suspense, useEffect, useState } from 'react'
import { ErrorBoundary } from 'react-error-boundary'
import { Redirect, Route, Switch, useLocation, useSearch } from 'wouter'

import { Broken } from './Broken'
import { SignInPage } from './features/session/SignInPage'
import { SignUpPage } from './features/session/SignUpPage'
import { useForgetting, useSession, type Viewer } from './features/session/use-session'
import { useRealtime } from './realtime/context'
import { handledElsewhere } from './ui/errors'
import { Failure } from './ui/States'

const loadSignedIn = () => import('./SignedIn')
const SignedIn = lazy(loadSignedIn)

/** App shows each page to those who may see it. */
export function App() {
  const { viewer, error, refetch } = useSession()
  const { wasSignedIn, isOver } = useOwner(viewer)
  useForgetting(viewer)
  const { tabs } = useRealtime()
  useEffect(() => {
    // If somebody signs in in another tab, this tab is signed in, too.
    return viewer === null ? tabs.onWritten(() => void refetch().catch(handledElsewhere)) : undefined
  }, [viewer, tabs, refetch])

  if (isOver) return <Waiting />
  if (viewer) {
    return (
      <ErrorBoundary fallback={<Broken />}>
        <Suspense fallback={<Waiting />}>
          <SignedIn viewer={viewer} />
        </Suspense>
      </ErrorBoundary>
    )
  }
  if (viewer === null) {
    return (
      // A person who starts to fill in the form will soon need the rest of the app.
      <div onFocus={() => void loadSignedIn().catch(handledElsewhere)}>
        <Switch>
          <Route path="/sign-in" component={SignInPage} />
          <Route path="/sign-up" component={SignUpPage} />
          <Route>
            <ToSignIn ended={wasSignedIn} />
          </Route>
        </Switch>
      </div>
    )
  }
  if (!error) return <Waiting />
  return (
    <Center mih="100dvh" p="md" component="main">
      <Failure error={error} title="Lorebridge could not be loaded" onRetry={() => void refetch().catch(handledElsewhere)} />
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

/**
 * ToSignIn redirects to signing in. It remembers the target and the reason, because the session may have ended by
 * itself.
 */
function ToSignIn({ ended }: { ended: boolean }) {
  const [pathname] = useLocation()
  const search = useSearch()
  const from = search ? `${pathname}?${search}` : pathname
  return <Redirect to="/sign-in" replace state={{ ended, ...(from !== '/' && { from }) }} />
}

/**
 * useOwner returns the person for whose session this page was loaded, and whether that session is over. After its end
 * the page is loaded again before the next person sees anything. So no data of the first session remains in a cache
 * or a late response.
 */
function useOwner(viewer: Viewer | null | undefined) {
  const [owner, setOwner] = useState<{ id: string; hasEnded: boolean }>()
  if (viewer && !owner) setOwner({ id: viewer.user.id, hasEnded: false })
  if (viewer === null && owner && !owner.hasEnded) setOwner({ ...owner, hasEnded: true })
  const isOver = !!viewer && !!owner && (owner.hasEnded || owner.id !== viewer.user.id)
  useEffect(() => {
    if (isOver) window.location.reload()
  }, [isOver])
  return { wasSignedIn: owner !== undefined, isOver }
}
