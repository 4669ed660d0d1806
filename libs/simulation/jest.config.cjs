module.exports = { preset: '../../jest.preset.js', displayName: 'simulation', rootDir: __dirname };
