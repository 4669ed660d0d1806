export { Bus, type BusOptions, type Delivery, type Subscribed } from './bus';
export { type RemoteError, encodeRemoteError, decodeRemoteError } from './remote-error';
export { SignalBus } from './signal-bus';
