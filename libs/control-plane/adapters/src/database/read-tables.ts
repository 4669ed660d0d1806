/** The projection behind every GET: read tables, one row per thing that people can see. */
import { type Projection, type RecordedEvent, decode, idOfStream } from '@neon/event-sourcing';
import {
  type BranchEvent,
  type EndpointEvent,
  type OperationEvent,
  type ProjectEvent,
  branchDecider,
  endpointDecider,
  operationDecider,
  projectDecider,
  timelineMembersDecider,
} from '@neon/control-plane-core';
import { Corrupt, unreachable } from '@neon/kernel';
import type { Transaction } from './database';

/** Where and when an event happened. */
interface Moment {
  readonly id: string;
  readonly at: Date;
  readonly position: bigint;
}

export class ReadTables implements Projection<Transaction> {
  readonly name = 'read-tables';

  async apply(event: RecordedEvent, tables: Transaction): Promise<void> {
    const moment = {
      id: idOfStream(event.stream),
      at: new Date(event.metadata.at),
      position: BigInt(event.position),
    };
    const [kind] = event.stream.split('/');
    switch (kind) {
      case projectDecider.kind:
        return applyProject(decode(projectDecider, event), moment, tables);
      case branchDecider.kind:
        return applyBranch(decode(branchDecider, event), moment, tables);
      case endpointDecider.kind:
        return applyEndpoint(decode(endpointDecider, event), moment, tables);
      case operationDecider.kind:
        return applyOperation(decode(operationDecider, event), moment, tables);
      // Read from the events themselves: nobody lists it.
      case timelineMembersDecider.kind:
        return;
      default:
        throw new Corrupt(`no read table for the stream ${event.stream}`);
    }
  }

  async clear(tables: Transaction): Promise<void> {
    await tables.$executeRaw`TRUNCATE projects, branches, endpoints, roles, databases, operations`;
  }
}

async function applyProject(event: ProjectEvent, { id, at, position }: Moment, tables: Transaction): Promise<void> {
  switch (event.type) {
    case 'ProjectCreated': {
      const { settings, regionId, pgVersion, storePasswords } = event;
      await tables.projectRow.create({
        data: { id, position, regionId, pgVersion, storePasswords, ...settings, createdAt: at, updatedAt: at },
      });
      return;
    }
    case 'ProjectUpdated':
      await tables.projectRow.updateMany({ where: { id }, data: { ...event.settings, updatedAt: at } });
      return;
    case 'BranchAdded': {
      const { branchId, name, parentId, isDefault } = event;
      const state = { state: 'init', stateChangedAt: at, annotation: {}, createdAt: at, updatedAt: at };
      await tables.branchRow.create({
        data: { id: branchId, position, projectId: id, name, parentId, isDefault, ...state },
      });
      return;
    }
    case 'BranchRenamed':
      await tables.branchRow.update({ where: { id: event.branchId }, data: { name: event.name, updatedAt: at } });
      return;
    case 'BranchRemoved': {
      const { branchId } = event;
      await tables.branchRow.deleteMany({ where: { id: branchId } });
      await tables.roleRow.deleteMany({ where: { branchId } });
      await tables.databaseRow.deleteMany({ where: { branchId } });
      return;
    }
    case 'EndpointRemoved':
      await tables.endpointRow.deleteMany({ where: { id: event.endpointId } });
      return;
    case 'ProjectDeletionRequested':
      await tables.projectRow.deleteMany({ where: { id } });
      return;
    case 'ProjectPlaced':
    case 'ProjectSafekeepersChanged':
    case 'EndpointAdded':
    case 'ChainOpened':
    case 'OperationClosed':
    case 'ChainAborted':
    case 'ProjectDeleted':
      return;
    default:
      return unreachable(event);
  }
}

async function applyBranch(event: BranchEvent, { id, at, position }: Moment, tables: Transaction): Promise<void> {
  const dates = { createdAt: at, updatedAt: at };
  switch (event.type) {
    case 'BranchCreated': {
      const { origin, annotation, catalog } = event;
      const parentTimestamp = origin?.point.kind === 'time' ? new Date(origin.point.at) : null;
      await tables.branchRow.update({ where: { id }, data: { annotation, parentTimestamp } });
      await tables.roleRow.createMany({
        data: catalog.roles.map(({ name, verifier }) => roleOf(id, { name, verifier }, { position, ...dates })),
      });
      await tables.databaseRow.createMany({
        data: catalog.databases.map(({ databaseId, name, ownerName }) => ({
          branchId: id,
          id: BigInt(databaseId),
          name,
          ownerName,
          position,
          ...dates,
        })),
      });
      return;
    }
    case 'BranchReady':
      await tables.branchRow.updateMany({
        where: { id },
        data: { state: 'ready', stateChangedAt: at, updatedAt: at, parentLsn: event.parentLsn },
      });
      return;
    case 'RoleCreated':
      await tables.roleRow.create({ data: roleOf(id, event.role, { position, ...dates }) });
      return;
    case 'RolePasswordReset':
      await tables.roleRow.updateMany({ where: { branchId: id, name: event.role.name }, data: { updatedAt: at } });
      return;
    case 'RoleDeleted':
      await tables.roleRow.deleteMany({ where: { branchId: id, name: event.name } });
      return;
    case 'DatabaseCreated': {
      const { databaseId, name, ownerName } = event.database;
      const data = { branchId: id, id: BigInt(databaseId), name, ownerName, position, ...dates };
      await tables.databaseRow.create({ data });
      return;
    }
    case 'DatabaseDeleted':
      await tables.databaseRow.deleteMany({ where: { branchId: id, name: event.name } });
      return;
    case 'BranchDeleted':
    case 'DropsApplied':
      return;
    default:
      return unreachable(event);
  }
}

function roleOf<T extends object>(branchId: string, role: { name: string; verifier: string | null }, rest: T) {
  return { branchId, name: role.name, login: role.verifier !== null, ...rest };
}

async function applyEndpoint(event: EndpointEvent, { id, at, position }: Moment, tables: Transaction): Promise<void> {
  const update = (data: Parameters<typeof tables.endpointRow.updateMany>[0]['data']) =>
    tables.endpointRow.updateMany({ where: { id }, data: { ...data, updatedAt: at } });
  switch (event.type) {
    case 'EndpointCreated': {
      const { projectId, branchId, kind, name, settings } = event;
      const state = { state: 'init', disabled: false, createdAt: at, updatedAt: at };
      await tables.endpointRow.create({
        data: { id, position, projectId, branchId, kind, name, settings, ...state },
      });
      return;
    }
    case 'EndpointUpdated':
      await update({ settings: event.settings, disabled: event.disabled });
      return;
    case 'EndpointStartRequested':
      await update({ pendingState: 'active' });
      return;
    case 'EndpointStarted':
      await update({ state: 'active', pendingState: null, startedAt: new Date(event.at) });
      return;
    case 'EndpointSuspendRequested':
      await update({ pendingState: 'idle' });
      return;
    case 'EndpointSuspended':
      await update({ state: 'idle', pendingState: null, suspendedAt: at });
      return;
    case 'EndpointChangeAbandoned':
      await update({ pendingState: null });
      return;
    case 'EndpointDeletionRequested':
      return;
    case 'EndpointDeleted':
      await tables.endpointRow.deleteMany({ where: { id } });
      return;
    default:
      return unreachable(event);
  }
}

async function applyOperation(event: OperationEvent, { id, at, position }: Moment, tables: Transaction): Promise<void> {
  const update = (data: Parameters<typeof tables.operationRow.updateMany>[0]['data']) =>
    tables.operationRow.updateMany({ where: { id }, data: { ...data, updatedAt: at } });
  switch (event.type) {
    case 'OperationScheduled': {
      const { projectId, branchId, endpointId, action } = event;
      const state = { status: 'scheduling', failuresCount: 0, durationMs: 0, createdAt: at, updatedAt: at };
      await tables.operationRow.create({ data: { id, position, projectId, branchId, endpointId, action, ...state } });
      return;
    }
    case 'OperationStarted':
      await update({ status: 'running' });
      return;
    case 'OperationAttemptFailed': {
      const error = event.error.message;
      await update({ failuresCount: { increment: 1 }, retryAt: new Date(event.retryAt), error });
      return;
    }
    case 'OperationFinished':
      await update({ status: 'finished', durationMs: Math.round(event.durationMs), retryAt: null, error: null });
      return;
    case 'OperationFailed': {
      const { durationMs, error } = event;
      const outcome = { status: 'failed', durationMs: Math.round(durationMs), retryAt: null, error: error.message };
      await update({ ...outcome, failuresCount: { increment: 1 } });
      return;
    }
    case 'OperationSkipped':
      await update({ status: 'skipped' });
      return;
    case 'OperationCancelled':
      await update({ status: 'cancelled' });
      return;
    default:
      return unreachable(event);
  }
}
