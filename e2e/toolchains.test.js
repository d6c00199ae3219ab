import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema } from 'graphql';

import { graphql } from './harness/http.js';
import { emptyFolder, startServer } from './harness/server.js';
import { scenario } from './harness/setups.js';

const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const run = promisify(execFile);
const bin = (name) => here(`node_modules/.bin/${name}`);

const schemaFile = here('../docs/schema.graphql');
const sorted = (schema) => printSchema(lexicographicSortSchema(schema));

/** folderOf returns a copy of a user's folder for a tool, with the schema beside it. */
async function folderOf(t, tool) {
  const folder = path.join(await emptyFolder(t), tool);
  await cp(here(`testdata/toolchains/${tool}`), folder, { recursive: true });
  await cp(schemaFile, path.join(folder, 'schema.graphql'));
  return folder;
}

/** withPackages lets Node.js find the packages of these tests from the folder. */
async function withPackages(folder) {
  await symlink(here('node_modules'), path.join(folder, 'node_modules'));
  await writeFile(path.join(folder, 'package.json'), '{"type":"module"}');
}

/** succeeds runs a tool and returns its output. An error shows all of it. */
async function succeeds(program, args, options) {
  const { stdout, stderr } = await run(program, args, options).catch((error) => {
    throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`);
  });
  return stdout + stderr;
}

scenario('the tools of others take the schema that the server shows', async (t) => {
  const server = await startServer(t, { PLAYGROUND: 'on' });

  await t.test('docs/schema.graphql is the schema that introspection shows', async () => {
    const query = getIntrospectionQuery({ specifiedByUrl: true, schemaDescription: true, inputValueDeprecation: true, oneOf: true });
    const shown = buildClientSchema((await graphql(server, query)).json().data);
    assert.equal(sorted(buildSchema(await readFile(schemaFile, 'utf8'))), sorted(shown));
  });

  await t.test('@graphql-eslint: every rule for schemas and for Relay, but what its configuration excepts', async (t) => {
    const folder = await folderOf(t, 'eslint');
    await withPackages(folder);
    const args = [bin('eslint'), '--format', 'json', 'schema.graphql'];
    const { stdout } = await run(process.execPath, args, { cwd: folder }).catch((error) => error);
    assert.ok(stdout, 'eslint has looked at the schema');
    const found = JSON.parse(stdout).flatMap(({ messages }) => messages.map(({ message }) => message));
    // This argument is deprecated, and the finding will go with it.
    assert.deepEqual(found, ['Input "id" should be named "input" for "Mutation.deleteKnowledge"']);
  });

  await t.test('graphql-codegen: the client preset, and what an app reads of its types, under tsc --strict', async (t) => {
    const folder = await folderOf(t, 'codegen');
    await withPackages(folder);
    await succeeds(process.execPath, [bin('graphql-codegen'), '--config', 'codegen.ts'], { cwd: folder });
    await succeeds(process.execPath, [bin('tsc'), '--project', '.'], { cwd: folder });
  });

  await t.test('relay-compiler: connections, @refetchable on every node, edges, mutations and subscriptions', async (t) => {
    const folder = await folderOf(t, 'relay');
    const output = await succeeds(process.execPath, [bin('relay-compiler'), 'relay.config.json'], { cwd: folder });
    assert.match(output, /Compilation completed/);
    assert.doesNotMatch(output, /WARN|ERROR/);
  });

  await t.test('genqlient with pointers for what is optional, and its client against the server', async (t) => {
    const folder = await folderOf(t, 'genqlient');
    await mkdir(path.join(folder, 'api'));
    // -race, because its build cache already exists.
    const options = { cwd: folder, env: { ...process.env, GOFLAGS: '-race', GOWORK: 'off' } };
    await succeeds('go', ['tool', 'genqlient', 'genqlient.yaml'], options);
    assert.deepEqual((await succeeds('go', ['run', '.', server.url], options)).trim().split('\n'), [
      'asking oneself: OWN_KNOWLEDGE, without a value: true',
      'gen@example.com has Bark by Gen: rough. Of 0 notifications 0 were marked by their ids, and 0 by the newest.',
    ]);
  });
});
