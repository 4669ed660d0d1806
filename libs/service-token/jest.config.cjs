module.exports = { preset: '../../jest.preset.js', displayName: 'service-token', rootDir: __dirname };
