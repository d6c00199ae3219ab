import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'

const styles = path.dirname(fileURLToPath(import.meta.resolve('@mantine/core/styles/global.css')))

/** mantineStyles fails the build where a component of Mantine is in it whose styles src/ui/mantine.ts does not import. */
export function mantineStyles(): Plugin {
  return {
    name: 'mantine-styles',
    apply: 'build',
    generateBundle(_, bundle) {
      const modules = Object.values(bundle).flatMap((chunk) => (chunk.type === 'chunk' ? Object.entries(chunk.modules) : []))
      const used = modules.flatMap(([id, { renderedLength }]) => {
        const component = /@mantine\/core\/esm\/components\/(\w+)\/\1\.mjs/.exec(id)?.[1]
        return component && renderedLength > 0 && fs.existsSync(path.join(styles, `${component}.css`)) ? component : []
      })
      const imported = new Set([...this.getModuleIds()].map((id) => /@mantine\/core\/styles\/(\w+)\.css/.exec(id)?.[1]))
      const missing = [...new Set(used)].filter((component) => !imported.has(component))
      if (missing.length > 0) this.error(`src/ui/mantine.ts must import the styles of ${missing.sort().join(', ')}`)
    },
  }
}
