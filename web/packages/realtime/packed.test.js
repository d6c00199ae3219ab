// The package as others get it: packed, installed outside of this tree, type-checked and rendered. It needs no network.
import { buildSchema, parse, validate } from 'graphql'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test, { after, before } from 'node:test'
import { promisify } from 'node:util'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const here = import.meta.dirname
const web = path.join(here, '../..')
const tsc = path.join(web, 'node_modules/typescript/bin/tsc')
/** What the README's examples are called in the consumer's folder. */
const examples = ['server.ts', 'react.tsx', 'vue.ts', 'plain.js', 'apollo.ts']
const others = ['pusher-js', 'vue', 'jsdom']

let outside // the folder
let tarball
let packed // what npm says of it

/** run returns what a program prints. It fails with all of that if the program does. */
async function run(program, args, cwd) {
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd, timeout: 60_000 })
    return stdout
  } catch (error) {
    throw new Error(`${error.message}\n${error.stdout}`, { cause: error }) // the message has stderr
  }
}

/** install makes a folder with the tarball installed by npm, beside copies or links of what it stands on. */
async function install(name, { copies = {}, links }) {
  const folder = path.join(outside, name)
  const modules = path.join(folder, 'node_modules')
  await cp(path.join(here, 'consumer'), folder, { recursive: true })
  await writeFile(path.join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  // Without --legacy-peer-deps npm would fetch them.
  await run('npm', ['install', '--offline', '--legacy-peer-deps', '--no-audit', '--no-fund', tarball], folder)
  for (const [module, from] of Object.entries(copies)) {
    await cp(path.join(web, from), path.join(modules, module), { recursive: true })
  }
  for (const module of links) {
    await mkdir(path.dirname(path.join(modules, module)), { recursive: true })
    await symlink(path.join(web, 'node_modules', module), path.join(modules, module))
  }
  const blocks = await codeOf(path.join(here, 'README.md'))
  assert.equal(blocks.length, examples.length)
  await Promise.all(examples.map((example, i) => writeFile(path.join(folder, example), blocks[i])))
  return folder
}

async function codeOf(file) {
  return [...(await readFile(file, 'utf8')).matchAll(/^```[jt]sx?\n([^]*?)^```$/gm)].map(([, code]) => code)
}

before(async () => {
  outside = await mkdtemp(path.join(tmpdir(), 'lorebridge-realtime-'))
  const [{ filename, ...about }] = JSON.parse(await run('npm', ['pack', '--json', '--pack-destination', outside], here))
  tarball = path.join(outside, filename)
  packed = about
})

after(() => rm(outside, { recursive: true, force: true }))

test('The tarball has the modules with their types, and nothing else', () => {
  const files = packed.files.map((file) => file.path)
  for (const entry of ['index', 'core', 'apollo', 'apollo-react']) {
    assert.ok(files.includes(`dist/${entry}.js`) && files.includes(`dist/${entry}.d.ts`), entry)
  }
  for (const file of files) assert.match(file, /^(LICENSE|README\.md|package\.json|dist\/[a-z-]+\.(js|d\.ts))$/)
})

test('publint finds nothing', async () => {
  const { buffer } = new Uint8Array(await readFile(tarball))
  const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true })
  assert.deepEqual(messages.map((message) => formatMessage(message, pkg)), [])
})

test('The README has at most ten lines for each', async () => {
  const [, react, vue, plain, apollo] = await codeOf(path.join(here, 'README.md'))
  for (const code of [react, vue, plain, apollo]) {
    assert.ok(code.split('\n').filter((line) => line.trim()).length <= 10, `ten lines:\n${code}`)
  }
  assert.ok((await readFile(path.join(web, '../README.md'), 'utf8')).includes(plain), 'the first README has the same')
})

test('The README asks what the server answers', async () => {
  const schema = buildSchema(await readFile(path.join(web, '../docs/schema.graphql'), 'utf8'))
  const [server] = await codeOf(path.join(here, 'README.md'))
  const questions = [...server.matchAll(/ask\("(.*)"\)/g)].map(([, question]) => question)
  assert.equal(questions.length, 2)
  assert.deepEqual(questions.flatMap((question) => validate(schema, parse(question))), [])
})

test('Another application can be type-checked and rendered with it', async () => {
  const reacts = ['react', 'react-dom', '@types/react', '@types/react-dom']
  const folder = await install('react-19', { links: [...reacts, ...others, '@apollo/client', 'graphql'] })
  await run(process.execPath, [tsc], folder)
  assert.equal(await run(process.execPath, ['render.js'], folder), 'rendered\n')
  for (const entry of ['', '/core', '/apollo', '/apollo-react']) {
    const program = `await import('@lorebridge/realtime${entry}')`
    await run(process.execPath, ['--input-type=module', '--eval', program], folder)
  }
})

test('It is rendered with React 18, too', async () => {
  const modules = 'testing/react-18/node_modules'
  const copies = Object.fromEntries(['react', 'react-dom', 'scheduler'].map((name) => [name, `${modules}/${name}`]))
  const folder = await install('react-18', { copies, links: others })
  await cp(path.join(outside, 'react-19/out'), path.join(folder, 'out'), { recursive: true })
  assert.equal(await run(process.execPath, ['render.js'], folder), 'rendered\n')
})
