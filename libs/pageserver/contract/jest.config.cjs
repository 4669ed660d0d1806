module.exports = { preset: '../../../jest.preset.js', displayName: 'pageserver-contract', rootDir: __dirname };
