export { PageServiceClient, type PageServiceClientOptions } from './page-service-client';
export type { PageRead, PageServiceAddress } from './page-service-connection';
