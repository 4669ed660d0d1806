module.exports = { preset: '../../jest.preset.js', displayName: 'redo-oracle', rootDir: __dirname };
