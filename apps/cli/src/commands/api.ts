/** `./neon api METHOD path [body]`: one request to the REST API, authenticated. */
import { openRunningInstallation } from '../installation';
import { CommandFailure, say } from '../progress';

export async function callApi(method: string, path: string, body: string | undefined): Promise<void> {
  const { api } = await openRunningInstallation();
  say(
    JSON.stringify(await api.call(method.toUpperCase(), path, body === undefined ? undefined : parse(body)), null, 2),
  );
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new CommandFailure(`the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
