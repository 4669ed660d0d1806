export { startTelemetry, type Telemetry, type TelemetryOptions } from './telemetry';
export { createLogger, type Logger } from './logger';
export { withSpan } from './span';
export { activeTraceparent, detached, recordSpan, startSpanIn } from './trace-context';
export { counter, gauge, meter, metricsHandler, observedCounter, secondsHistogram } from './metrics';
export { runService, type Host, type RunningService, type Service } from './service-process';
