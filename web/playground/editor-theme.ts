import { useGraphiQL, useGraphiQLActions, useMonaco } from '@graphiql/react'
import { useEffect } from 'react'

const transparent = '#ffffff00'
const ground = '#212a3b'
const accent = '#ff5794'
const faintAccent = '#ff579433'

/** GraphiQL's dark theme for its editors, with readable comments. */
const dark = {
  base: 'vs-dark' as const,
  inherit: true,
  colors: {
    'editor.background': transparent,
    'scrollbar.shadow': transparent,
    'editorWidget.background': ground,
    'editorHoverWidget.background': ground,
    'editorSuggestWidget.background': ground,
    'editorSuggestWidget.selectedBackground': faintAccent,
    'menu.background': ground,
    'menu.selectionBackground': faintAccent,
    'quickInput.background': ground,
    'quickInputList.focusBackground': faintAccent,
    'list.hoverBackground': faintAccent,
    'textLink.foreground': accent,
    'textLink.activeForeground': accent,
    focusBorder: accent,
  },
  rules: [
    { token: 'comment', foreground: '#8fbf7f' },
    { token: 'argument.identifier.gql', foreground: '#a9a4ff' },
  ],
}

/**
 * Makes the editors follow the system's colours, which GraphiQL reads only once, unless its settings choose a theme.
 */
export function useEditorTheme(): void {
  const monaco = useMonaco((state) => state.monaco)
  const theme = useGraphiQL((state) => state.theme)
  const actions = useGraphiQLActions()
  useEffect(() => monaco?.editor.defineTheme('graphiql-DARK', dark), [monaco])
  useEffect(() => {
    if (theme) return
    const query = window.matchMedia('(prefers-color-scheme: dark)')
    const follow = () => actions.setTheme(null)
    query.addEventListener('change', follow)
    return () => query.removeEventListener('change', follow)
  }, [theme, actions])
}
