export { ControlPlane, type AwakeCompute, type EndpointCredentials } from './control-plane';
export { clientErrors, type ClientError } from './client-error';
export { isAddressAllowed } from './endpoint/allowed-address';
export { chooseEndpoint, splitPassword, type EndpointChoice } from './endpoint/endpoint-choice';
export { parseConnectionOptions } from './endpoint/connection-options';
export { computeParameters } from './endpoint/compute-parameters';
export { beginSession, handshake } from './session/handshake';
export { CommitDoubt } from './session/commit-doubt';
export { COMMIT_IN_DOUBT } from './session/outcome';
export { expectationOf, isPastAuthentication, phaseOf, type HandshakePhase } from './session/expectation';
export type {
  Failure,
  HandshakeRules,
  Session,
  SessionEffect,
  SessionInput,
  SessionSeed,
  Step,
  TlsChannel,
} from './session/session';
export * from './limits';
