import js from '@eslint/js';
import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

/** Who may import whom, by the `type:` tag of a project; `scope:` keeps one service out of another's core. */
const kinds = {
  kernel: [],
  contract: ['kernel'],
  client: ['kernel', 'contract', 'platform'],
  foundation: ['kernel', 'foundation'],
  core: ['kernel', 'contract', 'foundation'],
  platform: ['kernel', 'foundation', 'platform'],
  adapters: ['kernel', 'contract', 'client', 'core', 'foundation', 'platform'],
  app: ['kernel', 'contract', 'core', 'adapters', 'foundation', 'platform'],
  cli: ['kernel', 'contract', 'client', 'foundation', 'platform', 'simulation'],
  e2e: ['kernel', 'contract', 'client', 'foundation', 'platform'],
  bench: ['kernel', 'contract', 'client', 'foundation', 'platform'],
  simulation: ['kernel', 'foundation', 'core'],
  tool: ['kernel', 'contract', 'client', 'foundation', 'platform', 'core', 'adapters'],
};
const services = ['control-plane', 'pageserver', 'safekeeper', 'proxy', 'compute'];

const depConstraints = [
  ...Object.entries(kinds).map(([kind, allowed]) => ({
    sourceTag: `type:${kind}`,
    onlyDependOnLibsWithTags: allowed.map((name) => `type:${name}`),
  })),
  // A service's own libraries, the shared ones, and the contracts and clients of others.
  ...services.map((scope) => ({
    sourceTag: `scope:${scope}`,
    onlyDependOnLibsWithTags: [`scope:${scope}`, 'scope:shared', 'type:contract', 'type:client'],
  })),
];

/** Cores take time, chance and I/O as values: none of these exist there. */
const impure = [
  'Date',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'process',
  'crypto',
  'fetch',
  'console',
];

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/.nx/**',
      '**/.neon/**',
      '**/node_modules/**',
      '**/coverage/**',
      '**/generated/**',
      '**/*.js',
      '**/*.cjs',
    ],
  },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    plugins: { '@nx': nx },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // A constant object and the type of its values share a name (Lsn, Term): declaration merging is the style here.
      '@typescript-eslint/no-redeclare': 'off',
      'no-redeclare': 'off',
      'max-lines': ['error', { max: 500 }],
      'max-lines-per-function': ['error', { max: 80, skipBlankLines: true, skipComments: true }],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'exit', message: 'Only main.ts ends the process.' },
      ],
      '@nx/enforce-module-boundaries': ['error', { enforceBuildableLibDependency: false, allow: [], depConstraints }],
    },
  },
  {
    files: [
      'libs/*/core/src/**/*.ts',
      'libs/kernel/src/**/*.ts',
      'libs/postgres/src/**/*.ts',
      'libs/consensus/src/**/*.ts',
      'libs/event-sourcing/src/**/*.ts',
    ],
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-globals': ['error', ...impure],
      'no-restricted-properties': ['error', { object: 'Math', property: 'random' }],
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['node:*', '@nestjs/*', 'pg', '@prisma/*', '@nats-io/*'], message: 'A core has no I/O.' },
          ],
        },
      ],
    },
  },
  {
    files: ['**/*.spec.ts', 'apps/*-e2e/**/*.ts', 'bench/**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 800 }],
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      'no-restricted-properties': 'off',
      // Simulations and what they break conversations with are for specs.
      '@nx/enforce-module-boundaries': [
        'error',
        { enforceBuildableLibDependency: false, allow: ['@neon/simulation'], depConstraints },
      ],
    },
  },
  { files: ['**/main.ts'], rules: { 'no-restricted-properties': 'off' } },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        WebAssembly: 'readonly',
        performance: 'readonly',
        setTimeout: 'readonly',
        Buffer: 'readonly',
        crypto: 'readonly',
        globalThis: 'readonly',
      },
    },
  },
  prettier,
);
