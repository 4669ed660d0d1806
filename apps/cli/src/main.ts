/** The `./neon` command line. */
import { POSTGRES_MAJORS, type PostgresMajor, isPostgresMajor } from '@neon/postgres';
import { Command, InvalidArgumentError, Option } from 'commander';
import { callApi } from './commands/api';
import { bench } from './commands/bench';
import { down, reset } from './commands/down';
import { logs, psql } from './commands/psql';
import {
  type ChangeOptions,
  addSafekeeper,
  listSafekeepers,
  removeSafekeeper,
  replaceSafekeeper,
  setSafekeepers,
} from './commands/safekeepers';
import { status } from './commands/status';
import { SUITES, type Suite, test } from './commands/test';
import { type UpOptions, up } from './commands/up';
import { build } from './build';
import { COMPUTE_HOSTS_MAX } from './config';
import { openHome } from './home';
import { DEFAULT_MAJOR } from './installation';
import { CommandFailure } from './progress';
import { type ChaosCommand, verifyChaos } from './verify/chaos/supervisor';
import { verifyConsensus, verifyConsensusModel } from './verify/consensus';
import { verifyHistory } from './verify/history/verify-history';
import { verifyObjectStore } from './verify/object-store';
import { verifyPages } from './verify/pages';
import { type VerifyRedoCommand, verifyRedoCommand } from './verify/redo';
import { verifyWal } from './verify/wal';
import { type VerifyWireCommand, verifyWire } from './verify/wire';
import { randomInt } from 'node:crypto';

const port = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65_535)
    throw new InvalidArgumentError('a port is a number from 1 to 65535.');
  return value;
};

const hostCount = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > COMPUTE_HOSTS_MAX)
    throw new InvalidArgumentError(`1 to ${COMPUTE_HOSTS_MAX}.`);
  return value;
};

const program = new Command('neon')
  .description('Serverless Postgres on stock Postgres: storage apart from compute, instant branches, scale to zero.')
  .showHelpAfterError()
  .enablePositionalOptions();

program
  .command('up')
  .description('install what is missing, build, start every service, create a first project')
  .option('--api-port <port>', 'port of the REST API', port)
  .option('--proxy-port <port>', 'port that Postgres clients connect to', port)
  .option('--compute-hosts <count>', 'how many compute hosts run on this machine (1 to 3)', hostCount)
  .action((options: UpOptions) => up(options));
program
  .command('status')
  .description('what runs, and how to reach it')
  .option('--json', 'as JSON', false)
  .action((options: { json: boolean }) => status(options));
program
  .command('psql [endpoint]')
  .description('open psql on an endpoint (default: the first project); arguments after -- go to psql')
  .allowExcessArguments()
  .allowUnknownOption()
  .passThroughOptions()
  .action((endpoint: string | undefined, _options: object, command: Command) => {
    const isEndpoint = endpoint?.startsWith('ep-') === true;
    return psql(isEndpoint ? endpoint : undefined, isEndpoint ? command.args.slice(1) : command.args);
  });
program
  .command('api <method> <path> [body]')
  .description('one request to the REST API, for instance: api GET /projects')
  .action(callApi);
program
  .command('logs [service]')
  .description('the logs of one service, or of all')
  .option('-f, --follow', 'go on showing what is added', false)
  .option('-n, --lines <count>', 'how many lines', Number, 100)
  .action((service: string | undefined, options: { follow: boolean; lines: number }) => logs(service, options));
const safekeepers = program
  .command('safekeepers')
  .description('who keeps the WAL of projects, and changing that while they are used');
const safekeeperId = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('an id is a positive whole number.');
  return value;
};
const seconds = (text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number of seconds.');
  return value;
};
const change = (name: string, description: string): Command =>
  safekeepers
    .command(name)
    .description(description)
    .option('--project <id>', 'of this project alone (default: of all)')
    .option('--no-wait', 'do not wait until it is done')
    .option('--timeout <seconds>', 'how long to wait; it goes on afterwards all the same', seconds, 300);
safekeepers
  .command('list')
  .description('the safekeepers, and who keeps which branch')
  .option('--json', 'as JSON', false)
  .action((options: { json: boolean }) => listSafekeepers(options));
safekeepers
  .command('add')
  .description('start one more safekeeper in this installation; it keeps nothing until it is given projects')
  .action(addSafekeeper);
safekeepers
  .command('remove')
  .description('stop a safekeeper that keeps no project, and start it no more; its data stays')
  .argument('<id>', 'which', safekeeperId)
  .action(removeSafekeeper);
change('replace', 'give the projects of one safekeeper to another; its own id after its disk was lost')
  .argument('<id>', 'which', safekeeperId)
  .argument('<by>', 'which instead', safekeeperId)
  .action((from: number, to: number, options: ChangeOptions) => replaceSafekeeper({ from, to }, options));
change('set', 'the safekeepers of projects: an odd number, three or five')
  .argument('<ids...>', 'all of them', (text: string, ids: number[] = []) => [...ids, safekeeperId(text)])
  .action((ids: number[], options: ChangeOptions) => setSafekeepers(ids, options));
program.command('down').description('stop every service; data stays').action(down);
program
  .command('reset')
  .description('stop everything and delete all projects and data')
  .option('--yes', 'do not ask', false)
  .action((options: { yes: boolean }) => reset(options));
program
  .command('build')
  .description('build the services without starting them')
  .action(() => build(openHome().checkout));
program
  .command('bench [suite]')
  .description('measure the running installation; without a suite, all of them')
  .option('--json', 'one JSON object a suite', false)
  .action((suite: string | undefined, options: { json: boolean }) => bench(suite, options));

const major = (text: string): PostgresMajor => {
  const value = Number(text);
  if (!isPostgresMajor(value)) throw new InvalidArgumentError(`one of ${POSTGRES_MAJORS.join(', ')}.`);
  return value;
};
const seed = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff)
    throw new InvalidArgumentError('a seed is a number below 2^32.');
  return value;
};
interface ProofOptions {
  readonly quick: boolean;
  readonly seed: number;
}
interface ConsensusProofOptions extends ProofOptions {
  readonly minutes?: number;
  readonly model: boolean;
  readonly size: 'small' | 'full';
}
const verify = program
  .command('verify')
  .description('run the proofs that come with the product; each prints what it checked and its seed');
const proof = (name: string, description: string): Command =>
  verify
    .command(name)
    .description(description)
    .option('--quick', 'a short run', false)
    .option('--seed <number>', 'repeat a run', seed, randomInt(2 ** 32 - 1));
proof('redo', 'page images that stock Postgres logs for checking equal what our redo makes')
  .option('--version <major>', 'one major version (default: all)', major)
  .option('--distribution <directory>', 'a build of Postgres to use instead of the packaged ones')
  .option(
    '--sources <directory>',
    'Postgres source trees, whose own tests are run too (tools/fetch-postgres-sources.sh)',
  )
  .option('--mutations', 'break redo in one place after the other: the comparison must notice each time', false)
  .option('--table <file>', 'with --mutations: where to write what became of each')
  .action((options: VerifyRedoCommand) => verifyRedoCommand(options));
proof('consensus', 'proposers and acceptors under simulated faults; planted bugs must be caught')
  .option('--minutes <count>', 'go on for so long', Number)
  .option('--model', 'search every reachable state of a small system instead', false)
  .addOption(new Option('--size <size>', 'of the model: seconds or hours').choices(['small', 'full']).default('small'))
  .action(({ model, size, ...options }: ConsensusProofOptions) =>
    model ? verifyConsensusModel(size) : verifyConsensus(options),
  );
proof('wal', 'whatever the bytes of WAL, records and pages: decoding and redo end, in a result or a typed error')
  .option('--minutes <count>', 'go on for so long', Number)
  .option('--collect', 'instead, make the seeds anew from what the packaged servers write', false)
  .action((options: ProofOptions & { minutes?: number; collect: boolean }) => verifyWal(options));
proof('wire', 'whatever proposers and safekeepers are told: neither dies, and nothing committed is lost')
  .option('--minutes <count>', 'go on for so long', Number)
  .action((options: VerifyWireCommand) => verifyWire(options));
proof(
  'chaos',
  'clients of a whole installation of its own while all is killed, paused, cut off, filled, and safekeepers replaced',
)
  .option('--minutes <count>', 'go on for so long (default: 5)', Number)
  .option('--version <major>', 'the major version of the project', major, DEFAULT_MAJOR)
  .option('--keep', 'leave data and logs of the run where they are, also when it succeeds', false)
  .addOption(new Option('--inside <home>').hideHelp())
  .action((options: ChaosCommand) => verifyChaos(options));
proof('pages', 'after a workload, every page of a compute equals the page the pageserver has (needs ./neon up)')
  .option('--version <major>', 'the major version of the project', major, DEFAULT_MAJOR)
  .action((options: ProofOptions & { version: PostgresMajor }) => verifyPages(options));
proof(
  'history',
  'at LSNs of a workload, fresh computes equal stock servers that replayed the same WAL (needs ./neon up)',
)
  .option('--version <major>', 'the major version of the project', major, DEFAULT_MAJOR)
  .option(
    '--sources <directory>',
    'Postgres source trees, whose regression scripts are run too (tools/fetch-postgres-sources.sh)',
  )
  .action((options: ProofOptions & { version: PostgresMajor; sources?: string }) => verifyHistory(options));

verify
  .command('object-store')
  .description('a bucket or a directory does what the product counts on; what this puts there it deletes again')
  .requiredOption('--url <url>', 'file:///directory, or s3://bucket/prefix?endpoint=…&region=…&forcePathStyle=true')
  .action((options: { url: string }) => verifyObjectStore(options));

program
  .command('test')
  .description('run the checks and tests')
  .addOption(new Option('--suite <suites...>', 'only these').choices(SUITES).default([...SUITES]))
  .action(({ suite }: { suite: Suite[] }) => test(suite));

program.parseAsync().catch((error: unknown) => {
  if (error instanceof CommandFailure) console.error(`neon: ${error.message}`);
  else console.error(error);
  process.exitCode = 1;
});
