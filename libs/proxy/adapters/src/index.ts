export { ProxyServer, type ProxyServerOptions } from './proxy-server';
export { NatsControlPlane } from './control-plane/nats-control-plane';
export { MemoryControlPlane, type MemoryEndpoint } from './control-plane/memory-control-plane';
export { loadCertificate, type CertificateFiles, type ServerCertificate } from './tls/certificate';
export { ensureSelfSigned } from './tls/self-signed';
