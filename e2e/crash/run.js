import { World } from './world.js';

// Runs ROUNDS (100) of load, kill -9 and restart, every other one with a separate Pusher. The same SEED plans the same
// rounds, but what happens in them also depends on the machine. An event that was delivered more than REPEATS_WITHIN
// (200) milliseconds before a kill must not be delivered again. UNORDERED names fields of subscriptions without order,
// separated by commas: viewerActed in binaries without one ordered log. It exits with 1 if a promise was broken.
const number = (name, otherwise) => Number(process.env[name] || otherwise);
const rounds = number('ROUNDS', 100);
const seed = number('SEED', Math.floor(Math.random() * 1e9));
const options = { repeatsWithin: number('REPEATS_WITHIN', 200), unordered: (process.env.UNORDERED ?? '').split(',') };

// perWorlds is how many rounds use the same two databases. Each check reads all that happened there. While it runs,
// the gate before the separate Pusher is delayed, too, and calls would time out.
const perWorlds = 20;

const sums = {}; // of the counts of all worlds with and without a separate Pusher
const rules = {}; // how often each rule was broken
const seen = new Set();
const start = performance.now();
console.log(`crash: ${rounds} rounds, SEED=${seed}, REPEATS_WITHIN=${options.repeatsWithin}`);
for (let first = 0; first < rounds; first += perWorlds) await play(first, Math.min(first + perWorlds, rounds));

/** play runs rounds on two new databases. */
async function play(first, end) {
  const closing = [];
  const t = { after: (close) => closing.push(close) };
  const counts = {};
  try {
    const worlds = {
      embedded: await World.open(t, { separate: false, seed: seed + first }),
      separate: await World.open(t, { separate: true, seed: seed + first + 1 }),
    };
    for (let i = first; i < end; i += 1) {
      const name = i % 2 === 0 ? 'embedded' : 'separate';
      const result = await worlds[name].round(options);
      counts[name] = result.counts;
      report(i, name, first, result);
      if ((i + 1) % 10 === 0) console.log(`${i + 1} rounds, ${Math.round((performance.now() - start) / 1000)} s`);
    }
  } finally {
    for (const close of closing.reverse()) await close();
  }
  for (const [name, those] of Object.entries(counts)) add(name, those);
}

/** report prints what a round has newly broken. */
function report(i, name, first, { plan, problems }) {
  const broken = problems.filter(({ rule, what }) => !seen.has(`${name} from ${first}: ${rule}: ${what}`));
  if (broken.length > 0) console.log(`round ${i + 1}, ${name}, ${JSON.stringify(plan)}: broken is`);
  const shown = {};
  for (const { rule, what } of broken) {
    seen.add(`${name} from ${first}: ${rule}: ${what}`);
    rules[rule] = (rules[rule] ?? 0) + 1;
    shown[rule] = (shown[rule] ?? 0) + 1;
    if (shown[rule] <= 3) console.log(`  ${rule}: ${what}`);
  }
  for (const [rule, n] of Object.entries(shown)) if (n > 3) console.log(`  ${rule}: ${n - 3} more`);
}

/** add adds the counts of one world to the sum. Of ages it keeps the greatest. */
function add(name, counts) {
  sums[name] ??= {};
  for (const [what, n] of Object.entries(counts)) {
    const before = sums[name][what] ?? 0;
    sums[name][what] = what.startsWith('oldest') ? Math.max(before, n) : before + n;
  }
}

for (const [name, counts] of Object.entries(sums)) {
  console.log(`\n${name}:`);
  for (const [what, n] of Object.entries(counts)) console.log(`  ${what.padEnd(20)} ${Math.round(n)}`);
  const { answered, delivered, results: all } = counts;
  if (answered === 0 || delivered === 0 || all === 0) seen.add(`${name}: nothing was looked at`);
}
for (const [rule, n] of Object.entries(rules)) console.log(`\nbroken ${n} times: ${rule}`);
console.log(`\n${seen.size} promises broken${seen.size > 0 ? `; again with SEED=${seed} ROUNDS=${rounds}` : ''}`);
process.exitCode = seen.size > 0 ? 1 : 0;
