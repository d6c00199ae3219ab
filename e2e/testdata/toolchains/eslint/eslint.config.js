import graphql from '@graphql-eslint/eslint-plugin';

// Every rule for schemas is on, with the options of its own set. Each that is changed or off has its reason here.
const rules = {
  ...graphql.configs['flat/schema-all'].rules,
  ...graphql.configs['flat/schema-relay'].rules,
  '@graphql-eslint/description-style': ['error', { style: 'block' }], // as graphql-js prints a schema

  // What has no identity of its own has no id: pages, edges, answers, and what there is one of.
  '@graphql-eslint/strict-id-in-types': ['error', {
    exceptions: { suffixes: ['Connection', 'Edge', 'Payload'], types: ['PageInfo', 'Realtime', 'Viewer'] },
  }],

  // The schema is read from top to bottom: what belongs together stands together, the important first.
  '@graphql-eslint/alphabetize': 'off',
  // It forbids the root types that it is given, and this API has all three.
  '@graphql-eslint/no-root-type': 'off',
  // It wants an argument that `@deprecated` does not have in the specification. The schema's description says how long a field stays.
  '@graphql-eslint/require-deprecation-date': 'off',
  // A payload has what its mutation changed. `query` in it would read the rest amid the mutations of a document, before they are done.
  '@graphql-eslint/require-field-of-type-query-in-mutation-result': 'off',
};

export default [
  {
    files: ['**/*.graphql'],
    plugins: { '@graphql-eslint': graphql },
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: 'schema.graphql' } } },
    rules,
  },
];
