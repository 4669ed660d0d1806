export { ProtocolViolation } from './violation';
export { MessageReader, encodeMessage, tagOf, type WireMessage } from './message-reader';
export {
  STARTUP_PACKET_SIZE_MAX,
  decodeStartupPacket,
  encodeStartupPacket,
  startupPacketLength,
  type CancelKey,
  type StartupPacket,
  type StartupParameter,
} from './startup';
export { decodeErrorResponse, encodeErrorResponse, encodeNoticeResponse, type ErrorResponse } from './error-response';
export { decodeBackendMessage, encodeBackendMessage, type BackendMessage, type TransactionStatus } from './backend';
export {
  decodePasswordMessage,
  decodeSaslInitialResponse,
  decodeSaslResponse,
  encodePasswordMessage,
  encodeSaslInitialResponse,
  encodeSaslResponse,
  type SaslInitialResponse,
} from './frontend';
export {
  SCRAM_ITERATIONS_DEFAULT,
  SCRAM_SALT_SIZE,
  SCRAM_SHA_256,
  SCRAM_SHA_256_PLUS,
  equalInConstantTime,
  formatScramVerifier,
  parseScramVerifier,
  scramKeysOf,
  scramVerifierOf,
  type ScramCrypto,
  type ScramKeys,
  type ScramVerifier,
} from './scram/scram';
export {
  beginScramServer,
  finishScramServer,
  scramMechanisms,
  type ScramServerExchange,
  type ScramServerOptions,
} from './scram/scram-server';
export {
  beginScramClient,
  continueScramClient,
  finishScramClient,
  type ScramClientExchange,
} from './scram/scram-client';
export { normalizePassword } from './scram/saslprep';
