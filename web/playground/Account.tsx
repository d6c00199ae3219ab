import { useRef } from 'react'
import type { Session } from './session'
import { SignInDialog } from './SignInDialog'

/** Shows who is signed in, with signing in and out. */
export function Account({ session }: { session: Session }) {
  const { viewer, error, signOut } = session
  const dialog = useRef<HTMLDialogElement>(null)
  return (
    <div className="lb-account">
      {error && (
        <p role="alert" className="lb-error">
          {error.message}
        </p>
      )}
      <p role="status">
        {viewer && (
          <>
            <span>Signed in as</span> <strong>{viewer.name}</strong>
          </>
        )}
        {viewer === null && <span>Nobody is signed in</span>}
      </p>
      {/* One button for both: the focus stays where it is when it changes its meaning. */}
      <button
        type="button"
        className={viewer ? 'lb-button' : 'lb-button lb-primary'}
        disabled={viewer === undefined}
        onClick={() => (viewer ? void signOut() : dialog.current?.showModal())}
      >
        {viewer ? 'Sign out' : 'Sign in'}
      </button>
      <SignInDialog ref={dialog} signIn={session.signIn} />
    </div>
  )
}
