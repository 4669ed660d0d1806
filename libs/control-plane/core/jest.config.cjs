module.exports = { preset: '../../../jest.preset.js', displayName: 'control-plane-core', rootDir: __dirname };
