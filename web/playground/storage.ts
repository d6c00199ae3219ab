const namespace = 'graphiql:'
const histories = new Set([`${namespace}queries`, `${namespace}favorites`])

/**
 * What GraphiQL remembers, in localStorage: all but the headers in its history, since they hold tokens. With
 * `shouldPersistHeaders` off it does not keep those of its tabs either.
 */
export const storage = {
  getItem: (key: string) => localStorage.getItem(key),
  setItem: (key: string, value: string) =>
    localStorage.setItem(key, histories.has(key) ? withoutHeaders(value) : value),
  removeItem: (key: string) => localStorage.removeItem(key),
  clear: () => ownKeys().forEach((key) => localStorage.removeItem(key)),
  get length() {
    return ownKeys().length
  },
}

function ownKeys(): string[] {
  return Object.keys(localStorage).filter((key) => key.startsWith(namespace))
}

function withoutHeaders(json: string): string {
  return JSON.stringify(JSON.parse(json), (key: string, value: unknown) => (key === 'headers' ? undefined : value))
}
