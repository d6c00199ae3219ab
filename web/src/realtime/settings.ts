import { ApolloLink } from '@apollo/client'
import { tap } from 'rxjs'

/** The header of the server's answers that is another one once its settings of Pusher are. */
const header = 'X-Realtime-Version'

/** Settings notices by the server's answers, to whatever question, that its settings of Pusher have changed. */
export class Settings {
  #version: string | null = null
  #listeners = new Set<() => void>()

  /** link looks at every answer. It stands right before the HttpLink. */
  link = new ApolloLink((operation, forward) =>
    forward(operation).pipe(
      tap(() => {
        const { response } = operation.getContext() as { response?: Response }
        this.#note(response?.headers.get(header) ?? null)
      }),
    ),
  )

  /** onChanged calls back when the settings are other ones than before, and returns what ends that. */
  onChanged(callback: () => void): () => void {
    this.#listeners.add(callback)
    return () => void this.#listeners.delete(callback)
  }

  #note(version: string | null) {
    const before = this.#version
    this.#version = version ?? before
    if (before !== null && this.#version !== before) this.#listeners.forEach((listener) => listener())
  }
}
