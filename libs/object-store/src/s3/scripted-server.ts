/** A real HTTP server for tests, whose every answer is written down beforehand. */
import { once } from 'node:events';
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  createServer,
} from 'node:http';

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}
export interface Answer {
  (response: ServerResponse, request: ReceivedRequest): void;
  /** Whether it comes before the request's body is read. */
  readonly isEarly?: true;
}

export class ScriptedServer {
  readonly requests: ReceivedRequest[] = [];
  connectionCount = 0;
  private answers: Answer[] = [];
  private always: Answer | undefined;

  private constructor(private readonly server: Server) {
    server.on('connection', () => void this.connectionCount++);
    server.on('request', (request, response) => void this.serve(request, response));
  }

  static async start(): Promise<ScriptedServer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ScriptedServer(server);
  }

  get endpoint(): string {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  /** The answers to the next requests, in order; a further request gets `always`, or status 500. */
  script(answers: readonly Answer[], always?: Answer): void {
    this.requests.length = 0;
    this.answers = [...answers];
    this.always = always;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const next = this.answers[0] ?? this.always;
    const parts: Buffer[] = [];
    message.on('data', (part: Buffer) => parts.push(part));
    try {
      if (next?.isEarly !== true) await once(message, 'end');
    } catch {
      return; // The client went before it had said everything.
    }
    const { method = '', url = '', headers } = message;
    const request = { method, path: url, headers, body: Buffer.concat(parts) };
    this.requests.push(request);
    (this.answers.shift() ?? this.always ?? status(500, 'InternalError'))(response, request);
  }
}

export const ok =
  (headers: Readonly<Record<string, string>> = { ETag: '"e"' }, body: string | Buffer = '', code = 200): Answer =>
  (response) =>
    void response.writeHead(code, { 'Content-Length': Buffer.byteLength(body), ...headers }).end(body);

export const xml = (body: string, code = 200): Answer =>
  ok({ 'Content-Type': 'application/xml' }, `<?xml version="1.0" encoding="UTF-8"?>\n${body}`, code);

/** An error of S3; without a code, one without a body. */
export const status = (code: number, name?: string, headers: Readonly<Record<string, string>> = {}): Answer =>
  name === undefined
    ? ok(headers, '', code)
    : ok(
        { 'Content-Type': 'application/xml', ...headers },
        `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${name}</Code><Message>says the server</Message></Error>`,
        code,
      );

export const hang: Answer = () => undefined;

export const reset: Answer = (response) => void response.socket?.resetAndDestroy();

/** Given as soon as the request's headers are there. */
export const early = (answer: Answer): Answer =>
  Object.assign<Answer, { readonly isEarly: true }>((response, request) => answer(response, request), {
    isEarly: true,
  });

/** Announces `size` bytes and sends fewer: then ends the connection, resets it, or falls silent. */
export const partial =
  (
    size: number,
    sent: Buffer,
    then: 'end' | 'reset' | 'silence',
    headers: Readonly<Record<string, string>> = {},
  ): Answer =>
  (response) => {
    response.writeHead(200, { 'Content-Length': size, ETag: '"e"', ...headers });
    response.write(sent, () => {
      if (then === 'end') response.socket?.destroy();
      if (then === 'reset') response.socket?.resetAndDestroy();
    });
  };
