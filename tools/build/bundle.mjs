// Bundles programs into dist/<folder>/main.cjs: node tools/build/bundle.mjs apps/<app>… bench
//
// Everything goes into the bundle but optional peers that Nest probes for and packages that read files beside themselves.
import fs from 'node:fs';
import path from 'node:path';
import { rspack } from '@rspack/core';

const root = path.resolve(import.meta.dirname, '../..');
const { compilerOptions } = JSON.parse(fs.readFileSync(path.join(root, 'tsconfig.base.json'), 'utf8'));
const OPTIONAL_PEERS =
  /^(@nestjs\/(websockets|microservices|platform-fastify)|@fastify\/.+|cache-manager|pg-native|@as-integrations\/.+|class-validator|class-transformer)(\/|$)/;
const READS_OWN_FILES = new Set(['swagger-ui-dist']);

const making = (folder) => path.join(root, 'dist', folder, `.making-${process.pid}`);

/** Puts what was made in place file by file, each at once: a program that starts meanwhile finds the old one or the new one. */
function install(folder) {
  for (const file of fs.readdirSync(making(folder))) {
    fs.renameSync(path.join(making(folder), file), path.join(root, 'dist', folder, file));
  }
  fs.rmdirSync(making(folder));
}

const configuration = (folder) => ({
  context: root,
  mode: 'production',
  target: 'node20',
  devtool: 'source-map',
  entry: Object.fromEntries(
    fs
      .readdirSync(path.join(root, folder, 'src'))
      .filter((file) => /^(main|.*\.worker)\.ts$/.test(file))
      .map((file) => [file.replace(/\.ts$/, ''), path.join(root, folder, 'src', file)]),
  ),
  output: { path: making(folder), filename: '[name].cjs' },
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

function bundle(folder) {
  const started = performance.now();
  const compiler = rspack(configuration(folder));
  return new Promise((resolve, reject) => {
    compiler.run((error, stats) => {
      compiler.close(() => undefined);
      if (error || stats?.hasErrors()) reject(error ?? new Error(stats.toString({ all: false, errors: true })));
      else {
        install(folder);
        resolve(console.log(`${folder}: bundled in ${Math.round(performance.now() - started)} ms`));
      }
    });
  });
}

const folders = process.argv.slice(2);
if (folders.length === 0) {
  console.error('usage: node tools/build/bundle.mjs <folder>…');
  process.exitCode = 2;
}
for (const folder of folders) {
  await bundle(folder).catch((error) => {
    console.error(String(error.message ?? error));
    process.exitCode = 1;
  });
}
