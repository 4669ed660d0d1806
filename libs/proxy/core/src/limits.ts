/** Every limit of a client connection, with its reason. */

/** A client that has not proved who it is by then holds a socket for nothing; Neon's own figure. */
export const HANDSHAKE_TIMEOUT_MS = 15_000;

/** From a proved password to the first ReadyForQuery: one slow cold start and its retries, below the patience of libpq users. */
export const COMPUTE_TIMEOUT_MS = 75_000;

/** A TCP connection to a compute that runs is answered at once; one that is gone may not answer at all. */
export const CONNECT_TIMEOUT_MS = 5_000;

/** Wake and connect, together: 100 ms growing by 1.6 gives about 7 s of retrying, as Neon does. */
export const WAKE_ATTEMPTS_MAX = 9;
export const WAKE_DELAY_FIRST_MS = 100;
export const WAKE_DELAY_FACTOR = 1.6;

/** SASL messages and passwords are small; what is larger is no client of ours (PG_MAX_AUTH_TOKEN_LENGTH). */
export const AUTHENTICATION_MESSAGE_SIZE_MAX = 65_535;

/** A compute's messages before ReadyForQuery: parameters, notices of login hooks. */
export const COMPUTE_MESSAGE_SIZE_MAX = 1_048_576;

/** Bytes a client may send ahead of ReadyForQuery before its socket is paused. */
export const EARLY_BYTES_MAX = 65_536;
