module.exports = { preset: '../../../jest.preset.js', displayName: 'pageserver-core', rootDir: __dirname };
