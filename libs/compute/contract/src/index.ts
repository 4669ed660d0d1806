export * from './spec';
export * from './host';
