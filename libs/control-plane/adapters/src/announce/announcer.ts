/**
 * Publishes what others may know of the events, to JetStream.
 *
 * It is a projection: the events table is the outbox, the checkpoint says how far it was published. A crash between publishing
 * and moving the checkpoint publishes again under the same message id, which JetStream stores once.
 */
import {
  branchCreated,
  branchDeleted,
  endpointStarted,
  endpointSuspended,
  operationFailed,
  operationFinished,
  projectCreated,
  projectDeleted,
} from '@neon/control-plane-contract';
import {
  branchDecider,
  endpointDecider,
  operationDecider,
  projectDecider,
  timelineMembersDecider,
} from '@neon/control-plane-core';
import { type CommandHandler, type Projection, type RecordedEvent, decode, idOfStream } from '@neon/event-sourcing';
import { Corrupt, type EventContract } from '@neon/kernel';
import { counter } from '@neon/telemetry';
import type { Transaction } from '../database/database';

const operationsEnded = counter({
  component: 'control-plane',
  name: 'neon_control_plane_operations_ended',
  description: 'Operations that came to their end, by action and status',
});

export interface Publisher {
  publish<T>(contract: EventContract<T>, payload: T, options: { id: string }): Promise<void>;
}

export class Announcer implements Projection<Transaction> {
  readonly name = 'announcements';

  constructor(
    private readonly publisher: Publisher,
    private readonly handler: CommandHandler,
  ) {}

  async apply(recorded: RecordedEvent): Promise<void> {
    const [kind] = recorded.stream.split('/');
    switch (kind) {
      case projectDecider.kind:
        return this.project(recorded);
      case branchDecider.kind:
        return this.branch(recorded);
      case endpointDecider.kind:
        return this.endpoint(recorded);
      case operationDecider.kind:
        return this.operation(recorded);
      case timelineMembersDecider.kind:
        return;
      default:
        throw new Corrupt(`nothing to say about the stream ${recorded.stream}`);
    }
  }

  /** What was published stays published. */
  clear(): Promise<void> {
    return Promise.resolve();
  }

  private async project(recorded: RecordedEvent): Promise<void> {
    const event = decode(projectDecider, recorded);
    const fact = { projectId: idOfStream(recorded.stream), at: timeOf(recorded) };
    if (event.type === 'ProjectCreated') {
      const { pgVersion, settings } = event;
      await this.publish(projectCreated, { ...fact, name: settings.name, pgVersion }, recorded);
    } else if (event.type === 'ProjectDeleted') await this.publish(projectDeleted, fact, recorded);
  }

  private async branch(recorded: RecordedEvent): Promise<void> {
    const event = decode(branchDecider, recorded);
    if (event.type !== 'BranchCreated' && event.type !== 'BranchDeleted') return;
    const branch = known(await this.handler.state(branchDecider, idOfStream(recorded.stream)), recorded);
    const fact = { projectId: branch.projectId, branchId: branch.branchId, at: timeOf(recorded) };
    if (event.type === 'BranchCreated')
      await this.publish(branchCreated, { ...fact, parentId: event.origin?.parentId ?? null }, recorded);
    else await this.publish(branchDeleted, fact, recorded);
  }

  private async endpoint(recorded: RecordedEvent): Promise<void> {
    const event = decode(endpointDecider, recorded);
    if (event.type !== 'EndpointStarted' && event.type !== 'EndpointSuspended') return;
    const endpoint = known(await this.handler.state(endpointDecider, idOfStream(recorded.stream)), recorded);
    const { projectId, branchId, endpointId } = endpoint;
    const fact = { projectId, branchId, endpointId, at: timeOf(recorded) };
    if (event.type === 'EndpointStarted')
      await this.publish(endpointStarted, { ...fact, hostId: event.location.hostId }, recorded);
    else await this.publish(endpointSuspended, { ...fact, reason: event.reason }, recorded);
  }

  private async operation(recorded: RecordedEvent): Promise<void> {
    const event = decode(operationDecider, recorded);
    if (event.type !== 'OperationFinished' && event.type !== 'OperationFailed') return;
    const operation = known(await this.handler.state(operationDecider, idOfStream(recorded.stream)), recorded);
    const { operationId, projectId, branchId, endpointId, action } = operation;
    const fact = { operationId, projectId, branchId, endpointId, action, at: timeOf(recorded) };
    if (event.type === 'OperationFinished')
      await this.publish(operationFinished, { ...fact, durationMs: event.durationMs }, recorded);
    else await this.publish(operationFailed, { ...fact, error: event.error.message }, recorded);
    operationsEnded(1, { action, status: event.type === 'OperationFinished' ? 'finished' : 'failed' });
  }

  private publish<T>(contract: EventContract<T>, payload: T, { id }: RecordedEvent): Promise<void> {
    return this.publisher.publish(contract, payload, { id });
  }
}

const timeOf = ({ metadata }: RecordedEvent): string => new Date(metadata.at).toISOString();

function known<T>(state: T | null, { stream }: RecordedEvent): T {
  if (state === null) throw new Corrupt(`the stream ${stream} has an event and no state`);
  return state;
}
