import { useState, type RefObject, type SubmitEvent } from 'react'
import { BearerHint } from './BearerHint'
import { RejectedError, type Credentials } from './session'

interface Props {
  ref: RefObject<HTMLDialogElement | null>
  signIn: (credentials: Credentials) => Promise<void>
}

/** Signs in or up by the session cookie, and closes after success. Open it with showModal. */
export function SignInDialog({ ref, signIn }: Props) {
  const [isNew, setIsNew] = useState(false)
  const [isBusy, setIsBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const close = () => ref.current?.close()

  const submit = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const text = (name: string) => form.querySelector<HTMLInputElement>(`[name=${name}]`)?.value ?? ''
    setIsBusy(true)
    setError(undefined)
    try {
      await signIn({ email: text('email'), password: text('password'), ...(isNew && { name: text('name') }) })
      form.reset()
      setIsNew(false)
      close()
    } catch (reason) {
      setError(reason instanceof Error ? reason : new Error(String(reason)))
    } finally {
      setIsBusy(false)
    }
  }

  const wrong = error instanceof RejectedError ? error.field : undefined
  const described = (name: string) => wrong === name && { 'aria-invalid': true, 'aria-describedby': 'lb-sign-in-error' }
  return (
    <dialog ref={ref} className="lb-dialog" aria-labelledby="lb-sign-in-title" onClose={() => setError(undefined)}>
      <h2 id="lb-sign-in-title">{isNew ? 'Sign up' : 'Sign in'}</h2>
      <form onSubmit={(event) => void submit(event)}>
        {isNew && (
          <label>
            Name
            <input name="name" autoComplete="name" required maxLength={100} {...described('name')} />
          </label>
        )}
        <label>
          E-mail address
          <input name="email" type="email" autoComplete="username" required {...described('email')} />
        </label>
        <label>
          Password
          <input
            name="password"
            type="password"
            autoComplete={isNew ? 'new-password' : 'current-password'}
            required
            {...described('password')}
          />
        </label>
        {error && (
          <p id="lb-sign-in-error" role="alert" className="lb-error">
            {error.message}
          </p>
        )}
        <div className="lb-actions">
          <button type="submit" className="lb-button lb-primary" disabled={isBusy}>
            {isNew ? 'Sign up' : 'Sign in'}
          </button>
          <button type="button" className="lb-button" onClick={close}>
            Cancel
          </button>
        </div>
      </form>
      <p>
        {isNew ? 'You have an account? ' : 'You have no account yet? '}
        <button type="button" className="lb-link" onClick={() => setIsNew(!isNew)}>
          {isNew ? 'Sign in instead' : 'Make one'}
        </button>
      </p>
      <BearerHint onUse={close} />
    </dialog>
  )
}
