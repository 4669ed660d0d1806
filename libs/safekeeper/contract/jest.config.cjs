module.exports = { preset: '../../../jest.preset.js', displayName: 'safekeeper-contract', rootDir: __dirname };
