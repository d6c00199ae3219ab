/** For vite.config.ts: keeps dead weight out of the playground's build. Where a name no longer fits, it only grows. */
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Modules that GraphiQL imports, and smaller ones that do for it. */
export const trim = {
  'monaco-editor/esm/vs/editor/edcore.main.js': here('monaco-core.ts'),
  'prettier/plugins/estree': here('jsonc-printer.ts'),
  'prettier/parser-babel': here('jsonc-printer.ts'),
  // The same under its old name.
  'prettier/parser-graphql': 'prettier/plugins/graphql',
}

const nothing = '\0nothing'

/** For workers: GraphiQL formats in the page. Only an action that monaco-core.ts leaves out would ask the worker. */
export function withoutPrettier(): Plugin {
  return {
    name: 'without-prettier',
    enforce: 'pre',
    resolveId: (id) => (id.startsWith('prettier/') ? nothing : null),
    load: (id) => (id === nothing ? 'export {}' : null),
  }
}

/** Monaco's editor brings its editor of differences along, which nobody opens here. */
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
