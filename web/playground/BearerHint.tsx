import { useGraphiQL } from '@graphiql/react'

const template = '{\n  "Authorization": "Bearer "\n}\n'

/** Points to the headers editor for whoever has a token, and opens it with the header begun. */
export function BearerHint({ onUse }: { onUse: () => void }) {
  const headers = useGraphiQL((state) => state.headerEditor)
  const open = () => {
    onUse()
    // GraphiQL has no action for it: its own button opens the editor.
    document.querySelector<HTMLButtonElement>('.graphiql-editor-tools button[data-name="headers"]')?.click()
    if (!headers) return
    if (!headers.getValue().trim()) headers.setValue(template)
    setTimeout(() => {
      headers.focus() // works once the editor is shown
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
