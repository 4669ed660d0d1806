/** Endpoints as requests describe them, in the words of the core. */
import type { EndpointSettings } from '@neon/control-plane-core';
import { Refusal } from '@neon/kernel';

export interface SizesBody {
  readonly autoscaling_limit_min_cu?: number | undefined;
  readonly autoscaling_limit_max_cu?: number | undefined;
  readonly suspend_timeout_seconds?: number | undefined;
  readonly settings?: { readonly pg_settings?: Record<string, string> | undefined } | undefined;
}

/** Only what was given. */
export function settingsOf(body: SizesBody): Partial<EndpointSettings> {
  const { autoscaling_limit_min_cu: min, autoscaling_limit_max_cu: max, suspend_timeout_seconds: timeout } = body;
  const pgSettings = body.settings?.pg_settings;
  // A minimum without a maximum, or the reverse, is a fixed size.
  const [low, high] = [min ?? max, max ?? min];
  return {
    ...(low === undefined ? {} : { autoscalingLimitMinCu: low }),
    ...(high === undefined ? {} : { autoscalingLimitMaxCu: high }),
    ...(timeout === undefined ? {} : { suspendTimeoutSeconds: timeout }),
    ...(pgSettings === undefined ? {} : { pgSettings }),
  };
}

/** @throws Refusal `NotImplemented` */
export function readWrite(type: 'read_write' | 'read_only'): 'read_write' {
  if (type === 'read_only') throw new Refusal('NotImplemented', 'endpoint.type: read_only is not implemented');
  return type;
}
