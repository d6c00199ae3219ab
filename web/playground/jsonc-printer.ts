/** A Prettier plugin for the variables and headers. Prettier's own has all of JavaScript: see trim.ts. */
import { applyEdits, format } from 'jsonc-parser'

interface Document {
  text: string
}

const languageOfTree = 'jsonc-text'

export const parsers = {
  jsonc: {
    astFormat: languageOfTree,
    parse: (text: string): Document => ({ text }),
    locStart: () => 0,
    locEnd: ({ text }: Document) => text.length,
  },
}

export const printers = {
  [languageOfTree]: {
    print: ({ node: { text } }: { node: Document }) =>
      applyEdits(text, format(text, undefined, { tabSize: 2, insertSpaces: true })),
  },
}
