export { startTelemetry, type Telemetry, type TelemetryOptions } from './telemetry';
export { createLogger, type Logger } from './logger';
export { withSpan } from './span';
export { meter, metricsHandler } from './metrics';
