module.exports = { preset: '../../jest.preset.js', displayName: 'directory-lock', rootDir: __dirname };
