// Bundles one TypeScript module, which may lie anywhere, as a CommonJS library: node tools/build/bundle-library.mjs <in.ts> <out.cjs>
import path from 'node:path';
import { rspack } from '@rspack/core';
import { configuration } from './configuration.mjs';

const [source, target] = process.argv.slice(2);
if (source === undefined || target === undefined) {
  console.error('usage: node tools/build/bundle-library.mjs <in.ts> <out.cjs>');
  process.exit(2);
}
const output = { path: path.dirname(path.resolve(target)), filename: path.basename(target) };
const compiler = rspack(
  configuration({ entry: path.resolve(source), output: { ...output, library: { type: 'commonjs2' } } }),
);
compiler.run((error, stats) => {
  compiler.close(() => undefined);
  if (!error && !stats?.hasErrors()) return;
  console.error(error ?? stats.toString({ all: false, errors: true }));
  process.exitCode = 1;
});
