module.exports = { preset: '../../../jest.preset.js', displayName: 'safekeeper-core', rootDir: __dirname };
