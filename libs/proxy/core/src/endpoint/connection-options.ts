/**
 * The startup parameter `options`: words for the server's command line, among them some meant for the proxy.
 *
 *   O1  Words are cut as Postgres cuts them (pg_split_opts): at white space that no backslash precedes.
 *   O2  Ours are `endpoint=…`, `project=…` and `neon_<name>:<value>`; a word after `-c` never is.
 *   O3  The rest is passed on word for word, its backslashes included.
 *
 * @example parseConnectionOptions('endpoint=ep-a-b-12345678 -c search_path=x')
 *          // { endpoints: ['ep-a-b-12345678'], unsupported: [], forCompute: '-c search_path=x' }
 */
export interface ConnectionOptions {
  readonly endpoints: readonly string[];
  /** Names of options that change what the client would see, and that we cannot honour. */
  readonly unsupported: readonly string[];
  readonly forCompute: string;
}

/** They ask for what is always so here. */
const WITHOUT_EFFECT = new Set(['neon_proxy_params_compat', 'neon_endpoint_type']);

export function parseConnectionOptions(options: string): ConnectionOptions {
  const endpoints: string[] = [];
  const unsupported: string[] = [];
  const forCompute: string[] = [];
  let previous = '';
  for (const word of options.match(/(?:\\.|[^\s\\])+/gs) ?? []) {
    const [, endpoint] = /^(?:endpoint|project)=(.*)$/s.exec(unescape(word)) ?? [];
    const [, setting] = /^(neon_[a-z_]+):/.exec(word) ?? [];
    if (previous === '-c') forCompute.push(word);
    else if (endpoint !== undefined) endpoints.push(endpoint);
    else if (setting === undefined) forCompute.push(word);
    else if (!WITHOUT_EFFECT.has(setting)) unsupported.push(setting);
    previous = word;
  }
  return { endpoints, unsupported, forCompute: forCompute.join(' ') };
}

const unescape = (word: string): string => word.replace(/\\(.)/gs, '$1');
