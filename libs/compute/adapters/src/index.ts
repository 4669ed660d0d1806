export { ComputeHost, type ComputeHostOptions } from './host/compute-host';
export type { HostEnvironment } from './host/launch';
export { observe } from './host/observe';
