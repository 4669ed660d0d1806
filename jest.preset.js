// Nest 12 and its companions are ESM-only packages. Tests run as CommonJS: SWC compiles our TypeScript and
// every ESM package of node_modules (found by its "type" field, so a new one needs no configuration).
const fs = require('node:fs');
const path = require('node:path');

const modules = path.join(__dirname, 'node_modules');

function packageNames() {
  return fs
    .readdirSync(modules)
    .filter((entry) => !entry.startsWith('.'))
    .flatMap((entry) =>
      entry.startsWith('@') ? fs.readdirSync(path.join(modules, entry)).map((name) => `${entry}/${name}`) : [entry],
    );
}

function isEsm(name) {
  try {
    return JSON.parse(fs.readFileSync(path.join(modules, name, 'package.json'), 'utf8')).type === 'module';
  } catch {
    return false;
  }
}

const esm = packageNames().filter(isEsm);
const { compilerOptions } = JSON.parse(fs.readFileSync(path.join(__dirname, 'tsconfig.base.json'), 'utf8'));

module.exports = {
  testEnvironment: 'node',
  // When it must be stuck: a machine that is busy with other things takes many times as long as one that is not.
  testTimeout: 60_000,
  testMatch: ['<rootDir>/src/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/', '\\.int\\.spec\\.ts$', '\\.sim\\.spec\\.ts$'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
  setupFiles: ['reflect-metadata'],
  watchman: false,
  cacheDirectory: path.join(__dirname, '.nx/jest'),
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/.nx', '<rootDir>/.neon'],
  moduleNameMapper: Object.fromEntries(
    Object.entries(compilerOptions.paths).map(([name, [file]]) => [`^${name}$`, path.join(__dirname, file)]),
  ),
  transform: {
    '^.+\\.[cm]?[tj]s$': [
      '@swc/jest',
      {
        swcrc: false,
        sourceMaps: 'inline',
        module: { type: 'commonjs' },
        jsc: {
          target: 'es2023',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
          keepClassNames: true,
        },
      },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(?:${esm.map((name) => name.replaceAll('.', '\\.')).join('|')})/)`],
};
