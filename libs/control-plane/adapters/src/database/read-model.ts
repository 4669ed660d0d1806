/** Questions to the read tables. Lists are newest first; a cursor is the id of the last item seen. */
import type {
  BranchRow,
  DatabaseRow,
  EndpointRow,
  OperationRow,
  ProjectRow,
  RoleRow,
} from '../generated/prisma/client';
import type { Database, Prisma } from './database';
import { unavailable } from './unavailable';

export type { BranchRow, DatabaseRow, EndpointRow, OperationRow, ProjectRow, RoleRow };

export interface Page {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface BranchQuery extends Page {
  readonly search?: string | undefined;
  readonly sortBy: 'name' | 'createdAt' | 'updatedAt';
  readonly sortOrder: 'asc' | 'desc';
}

const matching = (search: string | undefined): { OR?: Prisma.ProjectRowWhereInput[] & Prisma.BranchRowWhereInput[] } =>
  search === undefined || search === ''
    ? {}
    : {
        OR: [
          { id: { contains: search, mode: 'insensitive' as const } },
          { name: { contains: search, mode: 'insensitive' as const } },
        ],
      };

const paging = ({ limit, cursor }: Page): { take: number; skip?: number; cursor?: { id: string } } =>
  cursor === undefined ? { take: limit } : { take: limit, cursor: { id: cursor }, skip: 1 };

export class ReadModel {
  constructor(private readonly database: Database) {}

  projects({ search, ...page }: Page & { readonly search?: string | undefined }): Promise<ProjectRow[]> {
    const query = { where: matching(search), orderBy: { position: 'desc' as const }, ...paging(page) };
    return unavailable(this.database.projectRow.findMany(query));
  }

  project(id: string): Promise<ProjectRow | null> {
    return unavailable(this.database.projectRow.findUnique({ where: { id } }));
  }

  branches(projectId: string, { search, sortBy, sortOrder, ...page }: BranchQuery): Promise<BranchRow[]> {
    return unavailable(
      this.database.branchRow.findMany({
        where: { projectId, ...matching(search) },
        orderBy: [{ [sortBy]: sortOrder }, { position: sortOrder }],
        ...paging(page),
      }),
    );
  }

  countBranches(projectId: string, search: string | undefined): Promise<number> {
    return unavailable(this.database.branchRow.count({ where: { projectId, ...matching(search) } }));
  }

  branch(projectId: string, id: string): Promise<BranchRow | null> {
    return unavailable(this.database.branchRow.findUnique({ where: { id, projectId } }));
  }

  defaultBranch(projectId: string): Promise<BranchRow | null> {
    return unavailable(this.database.branchRow.findFirst({ where: { projectId, isDefault: true } }));
  }

  endpoints(projectId: string, branchId?: string): Promise<EndpointRow[]> {
    const where = { projectId, ...(branchId === undefined ? {} : { branchId }) };
    return unavailable(this.database.endpointRow.findMany({ where, orderBy: { position: 'desc' } }));
  }

  endpoint(projectId: string, id: string): Promise<EndpointRow | null> {
    return unavailable(this.database.endpointRow.findUnique({ where: { id, projectId } }));
  }

  roles(branchId: string): Promise<RoleRow[]> {
    return unavailable(this.database.roleRow.findMany({ where: { branchId }, orderBy: { position: 'asc' } }));
  }

  role(branchId: string, name: string): Promise<RoleRow | null> {
    return unavailable(this.database.roleRow.findUnique({ where: { branchId_name: { branchId, name } } }));
  }

  databases(branchId: string): Promise<DatabaseRow[]> {
    return unavailable(this.database.databaseRow.findMany({ where: { branchId }, orderBy: { position: 'asc' } }));
  }

  databaseOf(branchId: string, name: string): Promise<DatabaseRow | null> {
    return unavailable(this.database.databaseRow.findUnique({ where: { branchId_name: { branchId, name } } }));
  }

  operations(projectId: string, page: Page): Promise<OperationRow[]> {
    const query = { where: { projectId }, orderBy: { position: 'desc' as const }, ...paging(page) };
    return unavailable(this.database.operationRow.findMany(query));
  }

  /** In the order of `ids`. */
  async operationsOf(ids: readonly string[]): Promise<OperationRow[]> {
    const rows = await unavailable(this.database.operationRow.findMany({ where: { id: { in: [...ids] } } }));
    return ids.flatMap((id) => rows.filter((row) => row.id === id));
  }

  operation(projectId: string, id: string): Promise<OperationRow | null> {
    return unavailable(this.database.operationRow.findUnique({ where: { id, projectId } }));
  }

  /** Projects with operations that have not ended. */
  async busyProjects(): Promise<string[]> {
    const rows = await unavailable(
      this.database.operationRow.findMany({
        where: { status: { in: ['scheduling', 'running'] } },
        distinct: ['projectId'],
        select: { projectId: true },
      }),
    );
    return rows.map(({ projectId }) => projectId);
  }

  async readyBranches(): Promise<{ readonly id: string; readonly projectId: string }[]> {
    const query = { where: { state: 'ready' }, select: { id: true, projectId: true } };
    return unavailable(this.database.branchRow.findMany(query));
  }

  async activeEndpointIds(): Promise<string[]> {
    const rows = await unavailable(
      this.database.endpointRow.findMany({ where: { state: 'active' }, select: { id: true } }),
    );
    return rows.map(({ id }) => id);
  }
}
