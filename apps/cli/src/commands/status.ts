/** `./neon status`: what runs, and how to reach it. */
import { openInstallation } from '../installation';
import { say } from '../progress';
import { isHealthy } from '../stack/health';
import { pidOf } from '../stack/processes';

export async function status({ json }: { json: boolean }): Promise<void> {
  const installation = await openInstallation();
  const { home, stack, api, apiKey, caFile } = installation;
  const services = await Promise.all(
    installation.services.map(async (service) => {
      const pid = pidOf(home, service.name);
      return { name: service.name, pid, port: service.port, healthy: pid !== null && (await isHealthy(service)) };
    }),
  );
  const apiIsUp = services.some((service) => service.name === 'control-plane' && service.healthy);
  const projects = apiIsUp
    ? await Promise.all(
        (await api.projects()).map(async ({ id }) => ({ id, connectionUri: await api.connectionUri(id) })),
      )
    : [];
  if (json) {
    say(
      JSON.stringify(
        { api: api.baseUrl, apiKey, proxy: { host: '127.0.0.1', port: stack.ports.proxy, caFile }, services, projects },
        null,
        2,
      ),
    );
    return;
  }
  for (const service of services) {
    const state = service.pid === null ? 'stopped' : service.healthy ? 'healthy' : 'not healthy';
    say(
      `${service.name.padEnd(14)} ${state.padEnd(12)} ${service.pid === null ? '' : `pid ${service.pid}, `}port ${service.port}`,
    );
  }
  for (const project of projects) say(`\n${project.id}\n  psql '${project.connectionUri}'`);
}
