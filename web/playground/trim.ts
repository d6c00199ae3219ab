/** For vite.config.ts: keeps unused code out of the playground's build. If a name changes, the build only grows. */
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Modules that GraphiQL imports, with smaller replacements. */
export const trim = {
  'monaco-editor/esm/vs/editor/edcore.main.js': here('monaco-core.ts'),
  'prettier/plugins/estree': here('jsonc-printer.ts'),
  'prettier/parser-babel': here('jsonc-printer.ts'),
  // The same under its old name.
  'prettier/parser-graphql': 'prettier/plugins/graphql',
}

const nothing = '\0nothing'

/** For workers. GraphiQL formats in the page. Only an action that monaco-core.ts leaves out would use the worker. */
export function withoutPrettier(): Plugin {
  return {
    name: 'without-prettier',
    enforce: 'pre',
    resolveId: (id) => (id.startsWith('prettier/') ? nothing : null),
    load: (id) => (id === nothing ? 'export {}' : null),
  }
}

/** Monaco's editor imports its diff editor, which the playground does not use. */
export function withoutDiffEditor(): Plugin {
  return {
    name: 'without-diff-editor',
    enforce: 'pre',
    load(id) {
      const [, name] = /monaco-editor.*\/(diffEditorWidget|multiDiffEditorWidget)\.js$/.exec(id) ?? []
      return name ? `export class ${name.charAt(0).toUpperCase()}${name.slice(1)} {}` : null
    },
  }
}
