module.exports = { preset: '../../jest.preset.js', displayName: 'postgres-server', rootDir: __dirname };
