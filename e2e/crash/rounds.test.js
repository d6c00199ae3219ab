import assert from 'node:assert/strict';

import { scenario } from '../harness/setups.js';
import { World } from './world.js';

// These are a few rounds of `make crash`, always the same ones. How soon progress is written depends on the machine,
// which is busy while tests run. So a repeat may be ten times as old here.
const repeatsWithin = 2_000;
const seeds = { false: 11, true: 12 }; // with these each kind of crash happens once

for (const separate of [false, true]) {
  const pusher = separate ? 'a second process as Pusher' : 'the embedded Pusher';
  scenario(`with ${pusher}: load, kill -9 and a restart, again and again: no promise is broken`, async (t) => {
    const world = await World.open(t, { separate, seed: seeds[separate] });
    for (let i = 0; i < 3; i += 1) {
      const { problems, counts, plan } = await world.round({ repeatsWithin });
      t.diagnostic(`${JSON.stringify(plan)} ${JSON.stringify(counts)}`);
      assert.deepEqual(problems, []);
      assert.ok(counts.delivered > 0 && counts.results > 0, 'something was looked at');
    }
  });
}
