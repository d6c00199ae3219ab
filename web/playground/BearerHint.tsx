import { useGraphiQL } from '@graphiql/react'

const template = '{\n  "Authorization": "Bearer "\n}\n'

/** Points people with a token to the headers editor, and opens it with the start of the header. */
export function BearerHint({ onUse }: { onUse: () => void }) {
  const headers = useGraphiQL((state) => state.headerEditor)
  const open = () => {
    onUse()
    // GraphiQL has no action for this, so the code clicks the button that opens the editor.
    document.querySelector<HTMLButtonElement>('.graphiql-editor-tools button[data-name="headers"]')?.click()
    if (!headers) return
    if (!headers.getValue().trim()) headers.setValue(template)
    setTimeout(() => {
      headers.focus() // works only after the editor is shown
      const end = headers.getModel()?.getPositionAt(headers.getValue().lastIndexOf('"'))
      if (end) headers.setPosition(end)
    })
  }
  return (
    <p>
      You have a bearer token?{' '}
      <button type="button" className="lb-link" onClick={open}>
        Write it into the headers
      </button>
      : what you run is then run with it, whoever is signed in.
    </p>
  )
}
