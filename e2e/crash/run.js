import { World } from './world.js';

// ROUNDS (100) of load, kill -9 and restart, every other one with a separate Pusher. SEED plans the same rounds again;
// what happens in them depends on the machine, too. An event that was delivered more than REPEATS_WITHIN (200)
// milliseconds before a kill must not be delivered again. UNORDERED names fields of subscriptions that keep no order,
// separated by commas: viewerActed in binaries without one ordered log. It exits with 1 if a promise was broken.
const number = (name, otherwise) => Number(process.env[name] || otherwise);
const rounds = number('ROUNDS', 100);
const seed = number('SEED', Math.floor(Math.random() * 1e9));
const options = { repeatsWithin: number('REPEATS_WITHIN', 200), unordered: (process.env.UNORDERED ?? '').split(',') };

const closing = [];
const t = { after: (close) => closing.push(close) };
const results = {};
const rules = {}; // how often each was broken
const seen = new Set();
const start = performance.now();
console.log(`crash: ${rounds} rounds, SEED=${seed}, REPEATS_WITHIN=${options.repeatsWithin}`);
try {
  const worlds = {
    embedded: await World.open(t, { separate: false, seed }),
    separate: await World.open(t, { separate: true, seed: seed + 1 }),
  };
  for (let i = 0; i < rounds; i += 1) {
    const name = i % 2 === 0 ? 'embedded' : 'separate';
    const result = await worlds[name].round(options);
    results[name] = result;
    const broken = result.problems.filter(({ rule, what }) => !seen.has(`${name}: ${rule}: ${what}`));
    if (broken.length > 0) console.log(`round ${i + 1}, ${name}, ${JSON.stringify(result.plan)}: broken is`);
    const shown = {};
    for (const { rule, what } of broken) {
      seen.add(`${name}: ${rule}: ${what}`);
      rules[rule] = (rules[rule] ?? 0) + 1;
      shown[rule] = (shown[rule] ?? 0) + 1;
      if (shown[rule] <= 3) console.log(`  ${rule}: ${what}`);
    }
    for (const [rule, n] of Object.entries(shown)) if (n > 3) console.log(`  ${rule}: ${n - 3} more`);
    if ((i + 1) % 10 === 0) console.log(`${i + 1} rounds, ${Math.round((performance.now() - start) / 1000)} s`);
  }
} finally {
  for (const close of closing.reverse()) await close();
}

for (const [name, { counts }] of Object.entries(results)) {
  console.log(`\n${name}:`);
  for (const [what, n] of Object.entries(counts)) console.log(`  ${what.padEnd(20)} ${Math.round(n)}`);
  const { answered, delivered, results: all } = counts;
  if (answered === 0 || delivered === 0 || all === 0) seen.add(`${name}: nothing was looked at`);
}
for (const [rule, n] of Object.entries(rules)) console.log(`\nbroken ${n} times: ${rule}`);
console.log(`\n${seen.size} promises broken${seen.size > 0 ? `; again with SEED=${seed} ROUNDS=${rounds}` : ''}`);
process.exitCode = seen.size > 0 ? 1 : 0;
