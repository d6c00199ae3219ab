// Writes graph/testdata/coercion.json: how graphql-js, the reference, coerces literals and variables of every kind of
// type. A Go test compares the server with it. Run `node coercion-table.js`; coercion-table.test.js fails if the file is
// out of date.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { GraphQLError, GraphQLID, Kind, ValuesOfCorrectTypeRule, buildSchema, parse, parseType, typeFromAST, validate, valueFromAST } from 'graphql';
import { getVariableValues } from 'graphql/execution/values.js';

export const file = fileURLToPath(new URL('../graph/testdata/coercion.json', import.meta.url));

const sdl = `
type Query { ok: Boolean }
enum Color { RED GREEN }
input Inner { a: Int! = 1, b: String, c: [Float!] = [1.5], e: Color!, d: [[Int]] }
input One @oneOf { a: Int, b: String, c: [ID!] }
input Outer { inner: Inner, inners: [Inner!]! = [{e: RED}], one: One, id: ID!, flag: Boolean! = false }`;

const types = [
  'Int', 'Int!', 'Float', 'Float!', 'String', 'String!', 'Boolean', 'Boolean!', 'ID', 'ID!', 'Color', 'Color!',
  '[Int]', '[Int!]!', '[[Int]]', '[[Int!]!]', '[Color]', '[ID!]', '[String]', 'Inner', 'Inner!', '[Inner!]', 'One', 'One!', '[One]', 'Outer', 'Outer!',
];

// The server's ids have one form. graphql-js takes 4.0 for 4, but the specification does not allow 4.0 as an ID: see
// `values`.
function withOurIDs() {
  const { parseValue, parseLiteral } = GraphQLID;
  const canonical = (id) => {
    if (!/^[1-9]\d{0,15}$/.test(id) || Number(id) > Number.MAX_SAFE_INTEGER) throw new GraphQLError('not an id');
    return id;
  };
  GraphQLID.parseValue = (value) => canonical(parseValue(value));
  GraphQLID.parseLiteral = (node) => canonical(parseLiteral(node));
  return () => Object.assign(GraphQLID, { parseValue, parseLiteral });
}

const numbers = ['0', '-0', '1', '-1', '1.5', '2147483647', '2147483648', '-2147483648', '-2147483649', '9007199254740991', '9007199254740992', '123456789012345678901234567890'];
const floats = ['5.0', '1e3', '1E-3', '-2.50e+1', '1e300', '2147483648.0', '1e10'];
const strings = ['', 'a', '5', '01', '+1', ' 1', '1.0', 'RED', 'red', 'true', 'null', '😀', '9007199254740991', '9007199254740992', '-7'];
const scalars = {
  json: [...numbers, 'true', 'false', 'null', ...strings.map((s) => JSON.stringify(s))],
  literal: [...numbers, 'true', 'false', 'null', ...strings.map((s) => JSON.stringify(s)), '"""5"""', 'RED', 'red', 'TRUE'],
};
const fields = { Inner: ['a', 'b', 'c', 'e', 'd'], One: ['a', 'b', 'c'], Outer: ['inner', 'inners', 'one', 'id', 'flag'] };
const typeOf = {
  Inner: { a: 'Int!', b: 'String', c: '[Float!]', e: 'Color!', d: '[[Int]]' },
  One: { a: 'Int', b: 'String', c: '[ID!]' },
  Outer: { inner: 'Inner', inners: '[Inner!]!', one: 'One', id: 'ID!', flag: 'Boolean!' },
};
const fitting = {
  Int: ['0', '7', '-2147483648'], Float: ['1', '2.5', '-0'], String: ['"a"', '""'], Boolean: ['true', 'false'], ID: ['"42"', '42'],
};

// The same numbers in each run.
function random(seed) {
  return (n) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * n);
  };
}

// make returns a random value, mostly of the type: one part in ten is anything.
function make(type, literal, dice) {
  const pick = (list) => list[dice(list.length)];
  if (dice(10) === 0) return pick([...scalars[literal ? 'literal' : 'json'], '[]', '{}', '[1]', '[null]']);
  const bare = type.replace(/!$/, '');
  if (bare === type && dice(6) === 0) return 'null';
  if (bare.startsWith('[')) {
    const inner = bare.slice(1, -1);
    if (dice(5) === 0) return make(inner, literal, dice);
    return `[${Array.from({ length: dice(3) }, () => make(inner, literal, dice)).join(',')}]`;
  }
  if (bare === 'Color') return literal ? pick(['RED', 'GREEN']) : pick(['"RED"', '"GREEN"']);
  if (!(bare in fields)) return pick(fitting[bare]);
  const names = fields[bare].filter((name) => (bare === 'One' ? dice(2) === 0 : typeOf[bare][name].endsWith('!') ? dice(8) > 0 : dice(2) === 0));
  const parts = names.map((name) => [name, make(typeOf[bare][name], literal, dice)]);
  if (dice(20) === 0) parts.push(['other', '1']);
  return `{${parts.map(([name, value]) => `${literal ? name : JSON.stringify(name)}:${value}`).join(',')}}`;
}

// values returns the JSON or the literals to try for a type: all scalars, values out of their range, and random ones.
function values(type, literal, dice) {
  const all = [...scalars[literal ? 'literal' : 'json'], '[]', '[1]', '[null]', '[[1]]', '[[null],1]', '{}', literal ? '{a:1}' : '{"a":1}'];
  if (!/ID|One|Outer/.test(type)) all.push(...floats);
  for (let i = 0; i < 40; i++) all.push(make(type, literal, dice));
  return [...new Set(all)];
}

export function table() {
  const restore = withOurIDs();
  try {
    const schema = buildSchema(sdl);
    const dice = random(7);
    const cases = [];
    for (const type of types) {
      const plain = parse(`query($v: ${type}) { ok }`).definitions[0].variableDefinitions;
      const variable = (text, value) => {
        const { coerced, errors } = getVariableValues(schema, plain, value === undefined ? {} : { v: value });
        cases.push({ type, json: text, ...(errors ? { refused: true } : 'v' in coerced ? { value: coerced.v } : { absent: true }) });
      };
      variable(undefined, undefined);
      for (const text of values(type, false, dice)) variable(text, JSON.parse(text));

      for (const text of values(type, true, dice)) {
        const document = parse(`query($v: ${type} = ${text}) { ok }`);
        if (validate(schema, document, [ValuesOfCorrectTypeRule]).length > 0) {
          cases.push({ type, literal: text, refused: true });
          continue;
        }
        const node = document.definitions[0].variableDefinitions[0].defaultValue;
        const value = node.kind === Kind.NULL ? null : valueFromAST(node, typeFromAST(schema, parseType(type)));
        cases.push({ type, literal: text, value });
      }
    }
    return `{"schema":${JSON.stringify(sdl)},"cases":[\n${cases.map((c) => JSON.stringify(c)).join(',\n')}\n]}\n`;
  } finally {
    restore();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(file, table());
