-- Read tables: derived from the events, dropped and rebuilt at will.

CREATE TABLE "projects" (
    "id" TEXT PRIMARY KEY,
    "position" BIGINT NOT NULL,
    "name" TEXT NOT NULL,
    "region_id" TEXT NOT NULL,
    "pg_version" INTEGER NOT NULL,
    "store_passwords" BOOLEAN NOT NULL,
    "history_retention_seconds" INTEGER NOT NULL,
    "default_endpoint_settings" JSONB NOT NULL,
    "allowed_ips" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL
);
CREATE INDEX "projects_position_idx" ON "projects"("position");

CREATE TABLE "branches" (
    "id" TEXT PRIMARY KEY,
    "position" BIGINT NOT NULL,
    "project_id" TEXT NOT NULL,
    "parent_id" TEXT,
    "parent_lsn" TEXT,
    "parent_timestamp" TIMESTAMPTZ(3),
    "name" TEXT NOT NULL,
    "is_default" BOOLEAN NOT NULL,
    "state" TEXT NOT NULL,
    "state_changed_at" TIMESTAMPTZ(3) NOT NULL,
    "annotation" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL
);
CREATE INDEX "branches_project_id_position_idx" ON "branches"("project_id", "position");

CREATE TABLE "endpoints" (
    "id" TEXT PRIMARY KEY,
    "position" BIGINT NOT NULL,
    "project_id" TEXT NOT NULL,
    "branch_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "name" TEXT,
    "settings" JSONB NOT NULL,
    "disabled" BOOLEAN NOT NULL,
    "state" TEXT NOT NULL,
    "pending_state" TEXT,
    "started_at" TIMESTAMPTZ(3),
    "suspended_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL
);
CREATE INDEX "endpoints_project_id_position_idx" ON "endpoints"("project_id", "position");
CREATE INDEX "endpoints_state_idx" ON "endpoints"("state");

CREATE TABLE "roles" (
    "branch_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "position" BIGINT NOT NULL,
    "login" BOOLEAN NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    PRIMARY KEY ("branch_id", "name")
);

CREATE TABLE "databases" (
    "branch_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "position" BIGINT NOT NULL,
    "id" BIGINT NOT NULL,
    "owner_name" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    PRIMARY KEY ("branch_id", "name")
);

CREATE TABLE "operations" (
    "id" UUID PRIMARY KEY,
    "position" BIGINT NOT NULL,
    "project_id" TEXT NOT NULL,
    "branch_id" TEXT NOT NULL,
    "endpoint_id" TEXT,
    "action" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "error" TEXT,
    "failures_count" INTEGER NOT NULL,
    "retry_at" TIMESTAMPTZ(3),
    "duration_ms" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL
);
CREATE INDEX "operations_project_id_position_idx" ON "operations"("project_id", "position");
-- What a starting process must continue.
CREATE INDEX "operations_open_idx" ON "operations"("project_id") WHERE "status" IN ('scheduling', 'running');
