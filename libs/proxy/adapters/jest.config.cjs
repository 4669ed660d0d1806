module.exports = { preset: '../../../jest.preset.js', displayName: 'proxy-adapters', rootDir: __dirname };
