module.exports = { preset: '../../../jest.preset.js', displayName: 'proxy-core', rootDir: __dirname };
