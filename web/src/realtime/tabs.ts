import { ApolloLink } from '@apollo/client'
import { OperationTypeNode } from 'graphql'
import { tap } from 'rxjs'

/**
 * Tabs tells the other tabs of this browser that something was written here: the server's events go to the other
 * person, and what one does oneself, such as reading a notification, sends none.
 */
export class Tabs {
  #channel = new BroadcastChannel('lorebridge')

  /** link tells the others of every mutation that succeeded. */
  link = new ApolloLink((operation, forward) =>
    forward(operation).pipe(
      tap((result) => {
        if (operation.operationType === OperationTypeNode.MUTATION && !result.errors) this.#channel.postMessage('written')
      }),
    ),
  )

  /** onWritten calls back when another tab has written, and returns what ends that. */
  onWritten(callback: () => void): () => void {
    this.#channel.addEventListener('message', callback)
    return () => this.#channel.removeEventListener('message', callback)
  }

  /** close is for tests: a tab that goes away closes by itself. */
  close() {
    this.#channel.close()
  }
}
