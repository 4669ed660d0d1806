// Bundles programs into dist/<folder>/main.cjs: node tools/build/bundle.mjs apps/<app>… bench
//
// Everything goes into the bundle but optional peers that Nest probes for and packages that read files beside themselves.
import fs from 'node:fs';
import path from 'node:path';
import { rspack } from '@rspack/core';
import { configuration, root } from './configuration.mjs';

const making = (folder) => path.join(root, 'dist', folder, `.making-${process.pid}`);

/** Puts what was made in place file by file, each at once: a program that starts meanwhile finds the old one or the new one. */
function install(folder) {
  for (const file of fs.readdirSync(making(folder))) {
    fs.renameSync(path.join(making(folder), file), path.join(root, 'dist', folder, file));
  }
  fs.rmdirSync(making(folder));
}

const entryOf = (folder) =>
  Object.fromEntries(
    fs
      .readdirSync(path.join(root, folder, 'src'))
      .filter((file) => /^(main|.*\.worker)\.ts$/.test(file))
      .map((file) => [file.replace(/\.ts$/, ''), path.join(root, folder, 'src', file)]),
  );

function bundle(folder) {
  const started = performance.now();
  const compiler = rspack(configuration({ entry: entryOf(folder), output: { path: making(folder) } }));
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
