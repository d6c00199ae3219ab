import { lazy, useEffect } from 'react'
import { Redirect, Route, Switch } from 'wouter'
import { useHistoryState } from 'wouter/use-browser-location'

import { EditKnowledgePage } from './features/library/EditKnowledgePage'
import { KnowledgePage } from './features/library/KnowledgePage'
import { LibraryPage } from './features/library/LibraryPage'
import { NewKnowledgePage } from './features/library/NewKnowledgePage'
import { NotificationsPage } from './features/notifications/NotificationsPage'
import { DraftsProvider } from './features/requests/drafts'
import { InboxPage } from './features/requests/InboxPage'
import { RequestPage } from './features/requests/RequestPage'
import { SentPage } from './features/requests/SentPage'
import type { Viewer } from './features/session/use-session'
import { NotFoundPage } from './NotFoundPage'
import { Shell } from './Shell'
import { handledElsewhere } from './ui/errors'

const loadAskPage = async () => ({ default: (await import('./features/ask/AskPage')).AskPage })
const AskPage = lazy(loadAskPage)

/**
 * The field for choosing a person is the largest component. It is loaded this long after the first page, in ms, or
 * when it is needed.
 */
const settled = 10_000

/**
 * SignedIn is everything that a signed-in person sees. It is a bundle of its own, so that signing in does not wait
 * for it.
 */
export default function SignedIn({ viewer }: { viewer: Viewer }) {
  useEffect(() => {
    const timer = setTimeout(() => void loadAskPage().catch(handledElsewhere), settled)
    return () => clearTimeout(timer)
  }, [])

  return (
    <Switch>
      <Route path="/sign-in" component={BackFromSignIn} />
      <Route path="/sign-up" component={BackFromSignIn} />
      <Route path="/">
        <Redirect to="/library" replace />
      </Route>
      <Route>
        <DraftsProvider key={viewer.user.id}>
          <Shell viewer={viewer}>
            <Switch>
              <Route path="/library" component={LibraryPage} />
              <Route path="/library/new" component={NewKnowledgePage} />
              <Route path="/library/:id" component={KnowledgePage} />
              <Route path="/library/:id/edit" component={EditKnowledgePage} />
              <Route path="/ask" component={AskPage} />
              <Route path="/inbox" component={InboxPage} />
              <Route path="/sent" component={SentPage} />
              <Route path="/requests/:id" component={RequestPage} />
              <Route path="/notifications" component={NotificationsPage} />
              <Route component={NotFoundPage} />
            </Switch>
          </Shell>
        </DraftsProvider>
      </Route>
    </Switch>
  )
}

function BackFromSignIn() {
  const state: unknown = useHistoryState()
  const from = state instanceof Object && 'from' in state && typeof state.from === 'string' ? state.from : '/library'
  return <Redirect to={from} replace />
}
