module.exports = { preset: '../../jest.preset.js', displayName: 'safekeeper', rootDir: __dirname };
