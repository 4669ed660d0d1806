-- Which safekeepers were asked to keep a branch, as which incarnation, and which have said yes. A row is written before the
-- first request, and never changed to another incarnation: a safekeeper that lost its disk has forgotten what it voted for.
CREATE TABLE "timeline_members" (
    "branch_id" TEXT NOT NULL,
    "safekeeper_id" INTEGER NOT NULL,
    "incarnation" UUID NOT NULL,
    "confirmed" BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY ("branch_id", "safekeeper_id")
);
