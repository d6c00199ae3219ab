import { useGraphiQL, useGraphiQLActions } from '@graphiql/react'

/** Shows why there are no docs and no completion if the schema could not be read. */
export function SchemaNotice() {
  const failure = useGraphiQL((state) => state.fetchError)
  const actions = useGraphiQLActions()
  if (!failure) return null
  return (
    <p role="alert" className="lb-notice">
      <span>
        The schema could not be read, so there are no docs and no completion. The reason: {reason(failure)}. Operations
        that you know can be run all the same.
      </span>
      <button type="button" className="lb-button" onClick={() => void actions.introspect()}>
        Try again
      </button>
    </p>
  )
}

/** Returns the first message of GraphiQL's failure: a result or an error, as JSON. */
function reason(failure: string): string {
  try {
    const { errors } = JSON.parse(failure) as { errors?: { message?: string }[] }
    return (errors?.[0]?.message ?? failure).replace(/[.?]$/, '')
  } catch {
    return failure
  }
}
