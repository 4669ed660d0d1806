module.exports = { preset: '../../jest.preset.js', displayName: 'consensus', rootDir: __dirname };
