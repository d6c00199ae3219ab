const FIRST_RETRY = 1_000 // ms
const SLOWEST_RETRY = 30_000 // ms

/** backoff is how long to wait, in ms, after so many attempts. It is spread: else all come to a server at once. */
export function backoff(attempts: number, slowest: number): number {
  return Math.min(FIRST_RETRY * 2 ** attempts, slowest) * (0.75 + Math.random() / 4)
}

/** Retries are timers that wait ever longer, and end together. */
export class Retries {
  #timers = new Set<ReturnType<typeof setTimeout>>()
  #ended = false

  after(attempts: number, run: () => void): void {
    if (this.#ended) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, backoff(attempts, SLOWEST_RETRY))
    this.#timers.add(timer)
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  end(): void {
    this.#ended = true
    this.stop()
  }
}
