module.exports = { preset: '../../jest.preset.js', displayName: 'proxy', rootDir: __dirname };
