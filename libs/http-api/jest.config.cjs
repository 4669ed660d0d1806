module.exports = { preset: '../../jest.preset.js', displayName: 'http-api', rootDir: __dirname };
