-- Events: what happened, in one order.

CREATE TABLE "events" (
    "position" BIGSERIAL PRIMARY KEY,
    "id" UUID NOT NULL,
    "stream" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "type" TEXT NOT NULL,
    "schema_version" INTEGER NOT NULL,
    "payload" JSONB NOT NULL,
    "metadata" JSONB NOT NULL
);
CREATE UNIQUE INDEX "events_id_key" ON "events"("id");
CREATE UNIQUE INDEX "events_stream_version_key" ON "events"("stream", "version");

-- Appends to all streams or to none. Answers with the position of the last event written, or with the name of the first
-- stream that is not at its expected version.
--
-- The lock makes positions safe to follow: a sequence hands out numbers in order, but transactions commit in any order, so a
-- reader could see position 12 before 11 exists and never come back for it. Here a position is taken only under a lock that
-- is held until the transaction has ended, so positions become visible in order. A rolled-back append leaves a gap, which
-- harms nobody. The price is that appends commit one after the other; a control plane makes tens a second.
CREATE FUNCTION "append_events"("appends" JSONB) RETURNS TABLE ("last_position" BIGINT, "conflict" TEXT)
LANGUAGE plpgsql AS $$
DECLARE
    item JSONB;
    written BIGINT := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('events'));
    FOR item IN SELECT value FROM jsonb_array_elements(appends) LOOP
        IF (item->>'expectedVersion')::INTEGER <>
           coalesce((SELECT max(e.version) FROM events e WHERE e.stream = item->>'stream'), 0) THEN
            RETURN QUERY SELECT 0::BIGINT, item->>'stream';
            RETURN;
        END IF;
    END LOOP;
    FOR item IN SELECT value FROM jsonb_array_elements(appends) LOOP
        WITH inserted AS (
            INSERT INTO events (id, stream, version, type, schema_version, payload, metadata)
            SELECT (fresh.value->>'id')::UUID,
                   item->>'stream',
                   (item->>'expectedVersion')::INTEGER + fresh.ordinality::INTEGER,
                   fresh.value->>'type',
                   (fresh.value->>'schemaVersion')::INTEGER,
                   fresh.value->'payload',
                   fresh.value->'metadata'
            FROM jsonb_array_elements(item->'events') WITH ORDINALITY AS fresh
            ORDER BY fresh.ordinality
            RETURNING events.position
        )
        SELECT greatest(written, coalesce(max(inserted.position), 0)) INTO written FROM inserted;
    END LOOP;
    RETURN QUERY SELECT written, NULL::TEXT;
END
$$;

-- Facts are not changed.
CREATE FUNCTION "events_are_final"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are never changed or removed';
END
$$;
CREATE TRIGGER "events_are_final" BEFORE UPDATE OR DELETE ON "events"
    FOR EACH ROW EXECUTE FUNCTION "events_are_final"();

CREATE TABLE "checkpoints" (
    "name" TEXT PRIMARY KEY,
    "position" BIGINT NOT NULL
);

CREATE TABLE "api_keys" (
    "id" SERIAL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3),
    "last_used_from_addr" TEXT NOT NULL DEFAULT '',
    "revoked_at" TIMESTAMPTZ(3)
);
CREATE UNIQUE INDEX "api_keys_hash_key" ON "api_keys"("hash");

CREATE TABLE "secrets" (
    "id" UUID PRIMARY KEY,
    "ciphertext" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE "storage_nodes" (
    "kind" TEXT NOT NULL,
    "id" INTEGER NOT NULL,
    "address" JSONB NOT NULL,
    PRIMARY KEY ("kind", "id")
);
