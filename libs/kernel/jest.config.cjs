module.exports = { preset: '../../jest.preset.js', displayName: 'kernel', rootDir: __dirname };
