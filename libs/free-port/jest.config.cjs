module.exports = { preset: '../../jest.preset.js', displayName: 'free-port', rootDir: __dirname };
