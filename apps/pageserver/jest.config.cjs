module.exports = { preset: '../../jest.preset.js', displayName: 'pageserver', rootDir: __dirname };
