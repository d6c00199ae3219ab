const namespace = 'graphiql:'
const histories = new Set([`${namespace}queries`, `${namespace}favorites`])

/**
 * GraphiQL's localStorage without secrets: without the headers of the history, because they hold tokens, and without
 * operations that contain a password. With `shouldPersistHeaders` off GraphiQL does not store the headers of its tabs
 * either.
 */
export const storage = {
  getItem: (key: string) => localStorage.getItem(key),
  setItem: (key: string, value: string) =>
    localStorage.setItem(key, histories.has(key) ? withoutSecrets(value) : value),
  removeItem: (key: string) => localStorage.removeItem(key),
  clear: () => ownKeys().forEach((key) => localStorage.removeItem(key)),
  get length() {
    return ownKeys().length
  },
}

function ownKeys(): string[] {
  return Object.keys(localStorage).filter((key) => key.startsWith(namespace))
}

/** A history is `{ queries: […] }` or similar: lists of operations. */
function withoutSecrets(json: string): string {
  return JSON.stringify(JSON.parse(json), (key: string, value: unknown) => {
    if (key === 'headers') return undefined
    return Array.isArray(value) ? value.filter((run) => !/password/i.test(JSON.stringify(run))) : value
  })
}
