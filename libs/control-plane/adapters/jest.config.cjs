module.exports = { preset: '../../../jest.preset.js', displayName: 'control-plane-adapters', rootDir: __dirname };
