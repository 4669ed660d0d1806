module.exports = { preset: '../../../jest.preset.js', displayName: 'compute-contract', rootDir: __dirname };
