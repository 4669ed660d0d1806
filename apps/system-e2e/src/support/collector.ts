/** An OpenTelemetry collector for the time of a spec: OTLP over HTTP in JSON, spans kept in memory. */
import { type Server, createServer } from 'node:http';
import { z } from 'zod';

const Spans = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({
        attributes: z.array(z.object({ key: z.string(), value: z.object({ stringValue: z.string().optional() }) })),
      }),
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              traceId: z.string(),
              spanId: z.string(),
              parentSpanId: z.string().optional(),
              name: z.string(),
              startTimeUnixNano: z.string(),
            }),
          ),
        }),
      ),
    }),
  ),
});

export interface CollectedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string | undefined;
  readonly name: string;
  readonly startTimeUnixNano: string;
}

export class Collector {
  readonly spans: CollectedSpan[] = [];
  readonly problems: string[] = [];
  private readonly startedMs = Date.now();

  private constructor(private readonly server: Server) {}

  static async listen(url: string): Promise<Collector> {
    const server = createServer();
    const collector = new Collector(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        collector.take(Buffer.concat(chunks).toString());
        response.setHeader('content-type', 'application/json').end('{}');
      });
    });
    const { hostname, port } = new URL(url);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(Number(port), hostname, resolve);
    });
    return collector;
  }

  private take(body: string): void {
    try {
      for (const { resource, scopeSpans } of Spans.parse(JSON.parse(body)).resourceSpans) {
        const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
        this.spans.push(...scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ service, ...span }))));
      }
    } catch (error) {
      this.problems.push(String(error));
    }
  }

  /** The trace that began with the first span of this name; services may still send what they did before. */
  traceOf(name: string): CollectedSpan[] {
    const isLate = (span: CollectedSpan): boolean => Number(span.startTimeUnixNano) / 1e6 >= this.startedMs;
    const root = this.spans.find((span) => span.name === name && isLate(span));
    return this.spans.filter(({ traceId }) => traceId === root?.traceId);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
