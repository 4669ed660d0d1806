/** Durable facts of the control plane, on JetStream. The id of a message is the id of the event it announces. */
import { defineEvent } from '@neon/kernel';
import { z } from 'zod';

const ProjectFact = z.object({ projectId: z.string(), at: z.iso.datetime() });
const BranchFact = ProjectFact.extend({ branchId: z.string() });
const EndpointFact = BranchFact.extend({ endpointId: z.string() });
const OperationFact = BranchFact.extend({
  operationId: z.string(),
  endpointId: z.string().nullable(),
  action: z.string(),
});

const event = <T>(subject: string, schema: z.ZodType<T>) =>
  defineEvent({ subject: `neon.control-plane.${subject}`, version: 1, schema });

export const projectCreated = event('project.created', ProjectFact.extend({ name: z.string(), pgVersion: z.number() }));
export const projectDeleted = event('project.deleted', ProjectFact);
export const branchCreated = event('branch.created', BranchFact.extend({ parentId: z.string().nullable() }));
export const branchDeleted = event('branch.deleted', BranchFact);
export const endpointStarted = event('endpoint.started', EndpointFact.extend({ hostId: z.string() }));
export const endpointSuspended = event('endpoint.suspended', EndpointFact.extend({ reason: z.string() }));
export const operationFinished = event('operation.finished', OperationFact.extend({ durationMs: z.number() }));
export const operationFailed = event('operation.failed', OperationFact.extend({ error: z.string() }));
