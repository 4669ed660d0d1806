module.exports = { preset: '../../../jest.preset.js', displayName: 'pageserver-adapters', rootDir: __dirname };
