import { Navigate, Route, Routes, useLocation } from 'react-router'

import { AskPage } from './features/ask/AskPage'
import { EditKnowledgePage } from './features/library/EditKnowledgePage'
import { KnowledgePage } from './features/library/KnowledgePage'
import { LibraryPage } from './features/library/LibraryPage'
import { NewKnowledgePage } from './features/library/NewKnowledgePage'
import { NotificationsPage } from './features/notifications/NotificationsPage'
import { InboxPage } from './features/requests/InboxPage'
import { RequestPage } from './features/requests/RequestPage'
import { SentPage } from './features/requests/SentPage'
import type { Viewer } from './features/session/use-session'
import { NotFoundPage } from './NotFoundPage'
import { Shell } from './Shell'

/** SignedIn is all that a signed-in person sees. It is loaded apart: who has to sign in first does not wait for it. */
export default function SignedIn({ viewer }: { viewer: Viewer }) {
  return (
    <Routes>
      <Route path="/sign-in" element={<BackFromSignIn />} />
      <Route path="/sign-up" element={<BackFromSignIn />} />
      <Route element={<Shell key={viewer.id} viewer={viewer} />}>
        <Route index element={<Navigate to="/library" replace />} />
        <Route path="/library" element={<LibraryPage />} />
        <Route path="/library/new" element={<NewKnowledgePage />} />
        <Route path="/library/:id" element={<KnowledgePage />} />
        <Route path="/library/:id/edit" element={<EditKnowledgePage />} />
        <Route path="/ask" element={<AskPage />} />
        <Route path="/inbox" element={<InboxPage />} />
        <Route path="/sent" element={<SentPage />} />
        <Route path="/requests/:id" element={<RequestPage />} />
        <Route path="/notifications" element={<NotificationsPage />} />
        <Route path="*" element={<NotFoundPage />} />
      </Route>
    </Routes>
  )
}

function BackFromSignIn() {
  const state: unknown = useLocation().state
  const from = state instanceof Object && 'from' in state && typeof state.from === 'string' ? state.from : '/library'
  return <Navigate to={from} replace />
}
