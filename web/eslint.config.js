import hooks from 'eslint-plugin-react-hooks'
import { defineConfig, globalIgnores } from 'eslint/config'
import fs from 'node:fs'
import tseslint from 'typescript-eslint'

/** refuse makes the rule that some files may not import some modules. */
const refuse = (files, ...patterns) => ({
  files,
  rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] },
})

const pusher = {
  regex: '^pusher-js',
  message: 'Only src/realtime knows Pusher: call one of its hooks.',
}
const features = {
  regex: '/features/',
  message: 'The order is main, App, features, and then realtime, ui and gql: nothing looks back.',
}
const root = {
  regex: '^(\\.\\./)+(App|Shell|main|client|cache|theme)$',
  message: features.message,
}

/** Features never import each other: what two of them need belongs to ui, gql or realtime, and a link leads from one to the other. */
const others = fs.readdirSync(new URL('src/features', import.meta.url)).map((feature) =>
  refuse(
    [`src/features/${feature}/**`],
    pusher,
    root,
    { regex: `^\\.\\./(?!\\.\\./)(?!${feature}/)`, message: 'A feature does not import another one.' },
    features,
  ),
)

export default defineConfig([
  globalIgnores(['dist', 'src/gql/operations.ts']),
  tseslint.configs.strictTypeChecked,
  hooks.configs.flat['recommended-latest'],
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      // Numbers and dates in texts are meant.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Handlers of events may be async where they handle their own errors.
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  { files: ['*.js'], ...tseslint.configs.disableTypeChecked },
  refuse(['src/*.{ts,tsx}', 'playground/**'], pusher),
  refuse(['src/{ui,gql}/**'], pusher, features, { regex: '/realtime/', message: features.message }),
  refuse(['src/realtime/**'], features, root, { regex: '/(ui|gql)/', message: 'realtime can be copied into another app.' }),
  ...others,
])
