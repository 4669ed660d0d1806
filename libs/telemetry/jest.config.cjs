module.exports = { preset: '../../jest.preset.js', displayName: 'telemetry', rootDir: __dirname };
