module.exports = { preset: '../../jest.preset.js', displayName: 'postgres', rootDir: __dirname };
