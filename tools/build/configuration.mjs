// How TypeScript becomes one file that Node.js runs: shared by everything that bundles.
import fs from 'node:fs';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '../..');
const { compilerOptions } = JSON.parse(fs.readFileSync(path.join(root, 'tsconfig.base.json'), 'utf8'));
const OPTIONAL_PEERS =
  /^(@nestjs\/(websockets|microservices|platform-fastify)|@fastify\/.+|cache-manager|pg-native|@as-integrations\/.+|class-validator|class-transformer)(\/|$)/;
const READS_OWN_FILES = new Set(['swagger-ui-dist', 'typescript']);

export const configuration = ({ entry, output }) => ({
  context: root,
  mode: 'production',
  target: 'node20',
  // Node.js keeps the whole map of what it runs: with columns and sources 60 MB more in each service.
  devtool: 'nosources-cheap-module-source-map',
  entry,
  output: { filename: '[name].cjs', ...output },
  resolve: {
    extensions: ['.ts', '.js', '.mjs', '.json'],
    extensionAlias: { '.js': ['.ts', '.js'] },
    alias: Object.fromEntries(
      Object.entries(compilerOptions.paths).map(([name, [file]]) => [`${name}$`, path.join(root, file)]),
    ),
  },
  module: {
    rules: [
      { test: /\.sql$/, type: 'asset/source' },
      {
        test: /\.ts$/,
        exclude: /node_modules/,
        loader: 'builtin:swc-loader',
        options: {
          jsc: {
            target: 'es2023',
            parser: { syntax: 'typescript', decorators: true },
            transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
            keepClassNames: true,
          },
        },
      },
    ],
  },
  externalsPresets: { node: true },
  externals: [
    ({ request }, done) =>
      OPTIONAL_PEERS.test(request) || READS_OWN_FILES.has(request) ? done(null, `commonjs ${request}`) : done(),
  ],
  optimization: { minimize: false, nodeEnv: false },
  ignoreWarnings: [/Critical dependency/, /module has no exports/, /was not found in/],
  stats: 'errors-warnings',
});
