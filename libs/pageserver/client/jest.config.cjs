module.exports = { preset: '../../../jest.preset.js', displayName: 'pageserver-client', rootDir: __dirname };
