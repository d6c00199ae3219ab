import path from 'node:path'

/**
 * The walls of the front end: what is in each room, and the rooms that it may import beside itself. The first row that fits a path, as
 * seen from web/, is its room. What stands in brackets parts a room into ones that do not import each other.
 */
const rooms = [
  {
    name: 'main',
    holds: /^src\/main\b/,
    may: ['app', 'setup', 'realtime', 'ui', 'gql', '@lorebridge/realtime'],
    instead: 'Pages and features are joined in App, SignedIn or Shell.',
  },
  {
    name: 'app', // App, SignedIn, Shell and the pages beside them
    holds: /^src\/[A-Z][^/]*$/,
    may: ['setup', 'features', 'realtime', 'ui', 'gql', '@lorebridge/realtime'],
    instead: 'What it needs of main.tsx it gets as a prop or from a context.',
  },
  {
    name: 'features',
    holds: /^src\/features(?:\/([^/]+)|$)/,
    may: ['realtime', 'ui', 'gql', '@lorebridge/realtime'],
    tests: ['setup'],
    instead: 'What two features need belongs to ui, gql or realtime; App, SignedIn and Shell join them, by props, links and routes.',
  },
  {
    name: 'realtime',
    holds: /^src\/realtime(?=\/|$)/,
    may: ['@lorebridge/realtime'],
    tests: ['testing'],
    instead: 'Let the caller hand in what it needs.',
  },
  {
    name: 'ui',
    holds: /^src\/ui(?=\/|$)/,
    may: ['gql'],
    tests: ['setup'],
    instead: 'Let the caller hand in what it needs, as a prop.',
  },
  {
    name: 'gql',
    holds: /^src\/gql(?=\/|$)/,
    may: [],
    tests: ['setup'],
    instead: 'Let the caller hand in what it needs, as an argument.',
  },
  {
    name: 'setup', // client, cache, theme
    holds: /^src\/[^/]*$/,
    may: ['realtime', 'ui', 'gql', '@lorebridge/realtime'],
    instead: 'What it needs of pages or features is handed to it as an argument.',
  },
  {
    name: 'packages',
    holds: /^packages(?:\/([^/]+)|$)/,
    may: [],
    tests: ['testing'],
    instead: 'Other apps have it without ours: let the caller hand in what it needs.',
  },
  {
    name: '@lorebridge/realtime', // by its name, and only what it exports
    holds: /^@lorebridge\/realtime(?=\/|$)/,
    may: [],
  },
  {
    name: 'testing', // the server and the people that tests run with
    holds: /^testing(?=\/|$)/,
    may: ['@lorebridge/realtime'],
    instead: 'It knows the server, and nothing of the app.',
  },
  {
    name: 'playground',
    holds: /^playground(?=\/|$)/,
    may: [],
    instead: 'The app and the playground are two pages that share no code.',
  },
]

/** The packages that some rooms hide from the others. The playground shares no code with the app: one file of it has its own use of them. */
const hidden = { 'pusher-js': ['realtime', 'packages'] }
const ofPlayground = 'playground/pusher.ts'

const web = path.dirname(import.meta.dirname)
const isTest = /\.test\.tsx?$|\/testing\//

/** roomOf returns the row of a path, and as `door` what messages call that room. */
function roomOf(file) {
  const row = rooms.find(({ holds }) => holds.test(file))
  const [, part] = row?.holds.exec(file) ?? []
  return row && { ...row, door: part ? `${row.name}/${part}` : row.name }
}

/** pathOf returns the file that a specifier means, as seen from web/, or undefined where it is a package of others. Vite takes / as web/. */
function pathOf(specifier, file) {
  if (specifier.startsWith('@lorebridge/')) return specifier
  if (!/^\.{0,2}\//.test(`${specifier}/`)) return undefined
  const found = specifier.startsWith('/') ? specifier.slice(1) : path.posix.join(path.posix.dirname(file), specifier)
  return path.posix.normalize(found).replace(/\/$/, '')
}

/** rooms refuses an import through a wall, in whatever way it is written. It reads paths, not the disk: what is not there is refused too. */
export default {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      wall: '{{from}} may not import {{target}}, which is in {{to}}. It may import {{may}}. {{instead}}',
      hidden: '{{from}} may not import {{target}}: only {{owner}} does. Call what src/{{owner}} exports, or add there what is missing.',
      homeless: '{{file}} is in no room. Move it into one, or give its folder a row in web/eslint/rooms.js that says what it may import.',
      computed: 'This import cannot be checked. Write the path into it as a plain text.',
    },
  },
  create(context) {
    const file = path.relative(web, context.filename).replaceAll(path.sep, '/')
    const from = roomOf(file)
    if (!from) return { Program: (node) => context.report({ node, messageId: 'homeless', data: { file } }) }
    const may = [...from.may, ...((isTest.test(file) && from.tests) || [])]
    const refuse = (node, messageId, data) => context.report({ node, messageId, data: { from: from.door, ...data } })

    function checkPackage(node, specifier) {
      const [target, owners] = Object.entries(hidden).find(([name]) => `${specifier}/`.startsWith(`${name}/`)) ?? []
      if (target && !owners.includes(from.name) && file !== ofPlayground) refuse(node, 'hidden', { target, owner: owners[0] })
    }

    function check(node) {
      if (!node) return // an export of what is in the file
      const specifier = node.type === 'TemplateLiteral' && node.quasis.length === 1 ? node.quasis[0].value.cooked : node.value
      if (typeof specifier !== 'string') return refuse(node, 'computed')
      const target = pathOf(specifier, file)
      if (target === undefined) return checkPackage(node, specifier)
      const to = roomOf(target)
      if (to && (to.door === from.door || may.includes(to.name))) return
      refuse(node, 'wall', { target, to: to?.door ?? 'no room', may: ['its own files', ...may].join(', '), instead: from.instead })
    }

    return {
      'ImportDeclaration, ExportNamedDeclaration, ExportAllDeclaration, ImportExpression, TSImportType': ({ source }) => check(source),
      TSExternalModuleReference: ({ expression }) => check(expression),
    }
  },
}
