import { ESLint, RuleTester } from 'eslint'
import assert from 'node:assert/strict'
import path from 'node:path'
import test, { describe, it } from 'node:test'
import { parser } from 'typescript-eslint'

import rule from './rooms.js'

const web = path.dirname(import.meta.dirname)

Object.assign(RuleTester, { describe, it })
const tester = new RuleTester({ languageOptions: { parser } })

const importing = (file, code) => ({ name: `${file}: ${code}`, filename: path.join(web, file), code })
const refused = (messageId, file, code) => ({ ...importing(file, code), errors: [{ messageId }] })
const walled = (file, specifier) => refused('wall', file, `import { x } from '${specifier}'`)

const feature = 'src/features/requests/InboxPage.tsx'

tester.run('rooms', rule, {
  valid: [
    ['src/main.tsx', './App', './client', './theme.css', './realtime/tabs', './ui/mantine', '@lorebridge/realtime/core'],
    ['src/App.tsx', './Broken', './features/session/SignInPage', './Shell.module.css', './ui/errors', 'react'],
    ['src/client.ts', './cache', './gql/operations', './realtime/context', './ui/errors', '@lorebridge/realtime/apollo'],
    [feature, './Answer', '../requests/Answer', './parts/Part', '../../ui/Card.module.css', '../../gql/operations.ts', '../../realtime/context'],
    [feature, '@lorebridge/realtime', '@lorebridge/realtime/apollo-react'],
    ['src/features/requests/InboxPage.test.tsx', './InboxPage', '../../cache', '../../theme'],
    ['src/realtime/use-personal-channel.ts', './events', '@lorebridge/realtime', 'pusher-js', 'pusher-js/with-encryption'],
    ['src/realtime/use-personal-channel.test.tsx', './events', '../../testing/person'],
    ['packages/realtime/src/live.ts', './connection.js', 'pusher-js', 'react'],
    ['packages/realtime/src/use-pusher.test.tsx', './use-pusher.js', '../../../testing/person'],
    ['testing/person.ts', './server', '@lorebridge/realtime/core'],
    ['playground/pusher.ts', './http', 'pusher-js/with-encryption'],
    ['src/ui/StatusBadge.tsx', './States', '../gql/operations', '@mantine/core'],
    ['src/gql/request-cache.ts', './operations', '@apollo/client'],
    ['src/gql/request-cache.test.ts', './request-cache', '../cache'],
    ['playground/stream.ts', './http', 'graphql-ws', 'monaco-editor/esm/vs/editor/editor.worker.js?worker'],
  ].flatMap(([file, ...specifiers]) =>
    specifiers.flatMap((specifier) => [
      importing(file, `import '${specifier}'`),
      importing(file, `export type { x } from '${specifier}'`),
      importing(file, `void import('${specifier}')`),
    ]),
  ).concat(importing(feature, 'export const x = 1')),

  invalid: [
    // Features never import each other.
    walled(feature, '../library/Gone'),
    walled(feature, './../library/Gone'),
    walled(feature, '../library/Gone.tsx'),
    walled(feature, '../../features/library/Gone'),
    walled(feature, '/src/features/library/Gone'),
    walled(feature, '..'),
    walled('src/features/requests/InboxPage.test.tsx', '../library/Gone'),

    // Nothing looks back.
    walled(feature, '../../App'),
    walled(feature, '../../App.tsx'),
    walled(feature, '../../SignedIn'),
    walled(feature, '../../NotFoundPage'),
    walled(feature, '../../Broken'),
    walled(feature, '../../main'),
    walled(feature, '../../client'),
    walled(feature, '../../cache'),
    walled('src/App.tsx', './main'),
    walled('src/client.ts', './App'),
    walled('src/theme.ts', './features/session/use-session'),
    walled('src/theme.ts', './features'),
    walled('src/main.tsx', './features/session/use-session'),

    // What is shared does not know who shares it.
    walled('src/ui/Page.tsx', '../App'),
    walled('src/ui/Page.tsx', '../client'),
    walled('src/ui/Page.tsx', '../features/library/Gone'),
    walled('src/ui/Page.tsx', '../realtime/context'),
    walled('src/ui/Page.tsx', '@lorebridge/realtime'),
    walled('src/gql/request-cache.ts', '../App'),
    walled('src/gql/request-cache.ts', '../cache'),
    walled('src/gql/request-cache.ts', '../ui/Page'),
    walled('src/gql/request-cache.ts', '../realtime/context'),
    walled('src/gql/request-cache.ts', '@lorebridge/realtime/core'),
    walled('src/gql/request-cache.test.ts', '../App'),
    walled('src/realtime/context.ts', '../client'),
    walled('src/realtime/context.ts', '../gql/operations'),
    walled('src/realtime/context.ts', '../ui/errors'),
    walled('src/realtime/tabs.test.ts', '../cache'),

    // The package is others' as well: it knows nothing of ours, and is imported by its name.
    walled('packages/realtime/src/live.ts', '../../../src/realtime/events'),
    walled('packages/realtime/src/live.ts', '../../../testing/person'),
    walled('packages/realtime/src/use-pusher.test.tsx', '../../../src/realtime/events'),
    walled('packages/realtime/src/live.ts', '@lorebridge/realtime/core'),
    walled('src/realtime/context.ts', '../../packages/realtime/src/live'),
    walled(feature, '../../../packages/realtime/src/use-pusher'),
    walled(feature, '@lorebridge/other'),
    walled('src/realtime/context.ts', '../../testing/person'),
    walled('testing/person.ts', '../src/realtime/events'),

    // The app and the playground are two pages.
    walled('src/App.tsx', '../playground/http'),
    walled(feature, '../../../playground/http'),
    walled('src/realtime/context.ts', '../../playground/http'),
    walled('playground/stream.ts', '../src/App'),
    walled('playground/stream.ts', '../src/ui/Page'),
    walled('playground/stream.ts', '@lorebridge/realtime/core'),

    // Nothing reaches out of the house.
    walled(feature, '../../../node_modules/pusher-js'),
    walled('src/App.tsx', '../vite.config.ts'),
    walled('src/App.tsx', './util/strings'),

    // Only realtime and the package know Pusher.
    ...[feature, 'src/App.tsx', 'src/client.ts', 'src/main.tsx', 'src/ui/Page.tsx', 'src/gql/request-cache.ts', 'playground/stream.ts'].flatMap(
      (file) => [
        refused('hidden', file, "import Pusher from 'pusher-js'"),
        refused('hidden', file, "import type { Channel } from 'pusher-js/with-encryption'"),
        refused('hidden', file, "void import('pusher-js')"),
      ],
    ),

    // It does not matter how an import is written.
    ...[
      "import '../library/Gone'",
      "import type { Gone } from '../library/Gone'",
      "import { type Gone } from '../library/Gone'",
      "export { Gone } from '../library/Gone'",
      "export * from '../library/Gone'",
      "export type { Gone } from '../library/Gone'",
      "void import('../library/Gone')",
      'void import(`../library/Gone`)',
      "type Gone = import('../library/Gone').Gone",
      "import Gone = require('../library/Gone')",
      "import source from '../library/Gone?raw'",
    ].map((code) => refused('wall', feature, code)),
    refused('computed', feature, 'void import(name)'),
    refused('computed', feature, 'void import(`../${name}/Page`)'),

    // A new folder has a row before it has an importer.
    refused('homeless', 'src/util/strings.ts', 'export const x = 1'),

    {
      ...importing(feature, "import { Gone } from '../library/Gone'"),
      errors: [
        'features/requests may not import src/features/library/Gone, which is in features/library. ' +
          'It may import its own files, realtime, ui, gql, @lorebridge/realtime. ' +
          'What two features need belongs to ui, gql or realtime; App, SignedIn and Shell join them, by props, links and routes.',
      ],
    },
    {
      ...importing('src/App.tsx', "import Pusher from 'pusher-js/worker'"),
      errors: ['app may not import pusher-js: only realtime does. Call what src/realtime exports, or add there what is missing.'],
    },
  ],
})

test('The rule is an error in every room', async () => {
  const eslint = new ESLint({ cwd: web })
  for (const file of [feature, 'src/App.tsx', 'src/main.tsx', 'packages/realtime/src/live.ts', 'testing/person.ts', 'src/util/new.ts', 'playground/trim.ts']) {
    const { rules } = await eslint.calculateConfigForFile(file)
    assert.equal(rules['lorebridge/rooms'][0], 2, file)
  }
})
