-- Safekeepers that may hold something of a deleted branch. A row is written before the first request, and goes when the safekeeper
-- has confirmed: one that is away is asked when it reports again.
CREATE TABLE "timeline_deletions" (
    "branch_id" TEXT NOT NULL,
    "safekeeper_id" INTEGER NOT NULL,
    "project_id" TEXT NOT NULL,
    PRIMARY KEY ("branch_id", "safekeeper_id")
);
