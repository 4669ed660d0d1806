module.exports = { preset: '../../../jest.preset.js', displayName: 'safekeeper-adapters', rootDir: __dirname };
