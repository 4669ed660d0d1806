export { Lsn } from './lsn';
export { Term } from './term';
export { TenantId, TimelineId, SafekeeperId, SystemId } from './ids';
export { Refusal, Unavailable, Corrupt, assert, unreachable, fetchFailureReason } from './outcome';
export { Clock, Random } from './ambient';
export { ByteReader, ByteWriter, ByteReadError, copyOf } from './bytes';
export { FrameDecoder, encodeFrame, FRAME_HEADER_SIZE, type Frame } from './frame';
export { crc32c, crc32cExtend, crc32cExtendViewed, viewedBytes, type ViewedBytes } from './crc32c';
export { type Schema, type EventContract, type RequestContract, defineEvent, defineRequest } from './contract';
