export { type DataDirectory, openDataDirectory } from './data-directory';
export { FileTimelineDirectory } from './file-timeline-directory';
export { type ProposerConnectionContext, serveProposer } from './proposer-connection';
export { countRefusedIncarnation, observe } from './observe';
export { ReaderRegistry } from './reader-registry';
export { type ReplicationConnectionContext, serveReplication } from './replication-connection';
export { StatusReporter } from './status-reporter';
export { type TcpListener, type TcpListenerOptions, listenTcp } from './tcp-listener';
