export { type Distribution, findDistributions, distributionOf, packagedPostgres } from './distribution';
export { type PostgresUser, postgresUser } from './postgres-user';
export { type Template, ensureTemplate } from './template';
export {
  type PostgresServer,
  type StartOptions,
  BOOTSTRAP_SUPERUSER,
  initCluster,
  startPostgres,
} from './postgres-server';
