import assert from 'node:assert/strict';

import { serverAudits } from 'graphql-http';

import { graphql } from './harness/http.js';
import { startServer } from './harness/server.js';
import { scenario } from './harness/setups.js';

// The number of graphql-http's audits of each kind. A new audit must be looked at.
const counts = { MUST: 13, SHOULD: 23, MAY: 25 };

scenario('GraphQL over HTTP, as the audits of graphql-http see it', async (t) => {
  const server = await startServer(t);
  const audits = serverAudits({ url: `${server.url}/graphql` });
  for (const { id, name, fn } of audits) {
    await t.test(`${id}: ${name}`, async () => {
      const { status, reason } = await fn();
      assert.equal(status, 'ok', reason);
    });
  }
  await t.test('these are all the audits', () => {
    const kinds = audits.map(({ name }) => name.split(' ')[0]);
    const found = Object.fromEntries(Object.keys(counts).map((kind) => [kind, kinds.filter((k) => k === kind).length]));
    assert.deepEqual([found, kinds.length], [counts, 61]);
  });
});
