module.exports = { preset: '../../../jest.preset.js', displayName: 'compute-adapters', rootDir: __dirname };
