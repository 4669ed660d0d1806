export { identify, requestIdOf } from './request-id';
export { MalformedRequest, type RequestFailure, failureOf, wellFormed } from './request-failure';
export { answerError } from './answer-error';
