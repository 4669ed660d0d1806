export * from './proxy';
export * from './events';
