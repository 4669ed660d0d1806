import { Figures } from './figures';

it('the longest time without an acknowledgement counts from the beginning and to the pause, not across it', () => {
  const figures = new Figures();
  figures.begin(0);
  figures.acknowledge(30, 1);
  figures.acknowledge(40, 1);
  expect(figures.longestUnavailabilityMs).toBe(30);
  figures.pause(100);
  expect(figures.longestUnavailabilityMs).toBe(60);
  figures.begin(1_000);
  figures.acknowledge(1_001, 1);
  expect(figures.longestUnavailabilityMs).toBe(60);
});

it('percentiles are of the acknowledged', () => {
  const figures = new Figures();
  expect(figures.latencyMs(0.5)).toBe(0);
  for (let latency = 100; latency >= 1; latency--) figures.acknowledge(0, latency);
  expect(figures.latencyMs(0.5)).toBe(51);
  expect(figures.latencyMs(0.99)).toBe(100);
  expect(figures.acknowledged).toBe(100);
});
