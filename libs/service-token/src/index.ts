export { type Claims, TokenIssuer, TokenVerifier, generateKeyPair } from './service-token';
