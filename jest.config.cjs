// The whole repository in one worker pool. SUITE picks what runs: unit (default), sim, int or e2e.
const preset = require('./jest.preset.js');

const suites = {
  unit: {
    testMatch: ['<rootDir>/{libs,apps}/**/src/**/*.spec.ts'],
    testPathIgnorePatterns: [...preset.testPathIgnorePatterns, '-e2e/'],
  },
  sim: {
    testMatch: ['<rootDir>/{libs,apps}/**/src/**/*.sim.spec.ts'],
    testPathIgnorePatterns: ['/node_modules/'],
    testTimeout: 600_000,
  },
  int: {
    testMatch: ['<rootDir>/{libs,apps}/**/src/**/*.int.spec.ts'],
    testPathIgnorePatterns: ['/node_modules/'],
    testTimeout: 300_000,
    // A test that fails leaves the connections open that it would have closed: the run ends all the same.
    forceExit: true,
  },
  e2e: {
    testMatch: ['<rootDir>/apps/*-e2e/src/**/*.spec.ts'],
    testPathIgnorePatterns: ['/node_modules/'],
    testTimeout: 1_200_000,
    maxWorkers: 1,
    globalSetup: '<rootDir>/apps/system-e2e/src/support/global-setup.ts',
    globalTeardown: '<rootDir>/apps/system-e2e/src/support/global-teardown.ts',
  },
};

module.exports = {
  ...preset,
  rootDir: __dirname,
  // Much of an integration test is waiting.
  maxWorkers: '100%',
  // A process keeps some of what each file loaded; collecting all of it slows the later ones down.
  workerIdleMemoryLimit: '512MB',
  testSequencer: '<rootDir>/jest.sequencer.cjs',
  ...suites[process.env.SUITE ?? 'unit'],
};
