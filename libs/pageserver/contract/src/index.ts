export * from './page-service';
export * from './basebackup';
export * from './management';
export * from './signals';
export * from './json';
