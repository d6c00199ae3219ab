import assert from 'node:assert/strict';

import { serverAudits } from 'graphql-http';

import { graphql } from './harness/http.js';
import { startServer } from './harness/server.js';
import { scenario } from './harness/setups.js';

// What the specification only permits and we do not do: audits by their ids, each with the reason.
const notDone = {
  '5A70': 'GET is not served: a link must not make anybody act or ask, and a POST is never cached',
  D6D5: 'GET is not served',
  '6A70': 'GET is not served',
};

scenario('GraphQL over HTTP, as the audits of graphql-http see it', async (t) => {
  const server = await startServer(t);
  const audits = serverAudits({ url: `${server.url}/graphql` });

  for (const { id, name, fn } of audits) {
    await t.test(`${id}: ${name}`, async () => {
      const { status, reason } = await fn();
      if (id in notDone) {
        assert.match(name, /^MAY /, 'only what is permitted can be left undone');
        assert.notEqual(status, 'ok', 'it is done now: take it off the table');
      } else {
        assert.equal(status, 'ok', reason);
      }
    });
  }

  await t.test('the table names audits that exist', () => {
    const ids = audits.map(({ id }) => id);
    assert.deepEqual(Object.keys(notDone).filter((id) => !ids.includes(id)), []);
  });
});
