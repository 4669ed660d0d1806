module.exports = { preset: '../../../jest.preset.js', displayName: 'control-plane-contract', rootDir: __dirname };
