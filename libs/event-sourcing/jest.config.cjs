module.exports = { preset: '../../jest.preset.js', displayName: 'event-sourcing', rootDir: __dirname };
