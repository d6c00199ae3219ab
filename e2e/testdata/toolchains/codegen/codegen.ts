import type { CodegenConfig } from '@graphql-codegen/cli';

/** The client preset with its defaults, but that scalars have types. */
const config: CodegenConfig = {
  schema: 'schema.graphql',
  documents: ['app.ts'],
  ignoreNoDocuments: false,
  generates: {
    './gql/': {
      preset: 'client',
      config: { strictScalars: true, scalars: { Time: 'string', Cursor: 'string' } },
    },
  },
};

export default config;
