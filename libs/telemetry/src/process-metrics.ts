/** What every service tells of its process. */
import { performance } from 'node:perf_hooks';
import { gauge, observedCounter } from './metrics';

export function observeProcess(): void {
  const component = 'process';
  gauge(
    { component, name: 'neon_process_resident_memory_bytes', description: 'Memory of the process that is in RAM' },
    () => process.memoryUsage.rss(),
  );
  gauge(
    { component, name: 'neon_process_heap_bytes', description: 'JavaScript heap in use' },
    () => process.memoryUsage().heapUsed,
  );
  observedCounter(
    { component, name: 'neon_process_cpu_seconds_total', description: 'CPU time, user and system' },
    () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  );
  let last = performance.eventLoopUtilization();
  gauge(
    {
      component,
      name: 'neon_process_event_loop_utilization',
      description: 'Share of the time since the last reading in which the event loop was busy, 0 to 1',
    },
    () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    },
  );
}
