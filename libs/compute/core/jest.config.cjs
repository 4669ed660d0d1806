module.exports = { preset: '../../../jest.preset.js', displayName: 'compute-core', rootDir: __dirname };
