import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { file, table } from './coercion-table.js';

test('the table of coerced values is that of the current graphql-js', () => {
  assert.ok(readFileSync(file, 'utf8') === table(), 'run `node coercion-table.js` and look at what changed');
});
