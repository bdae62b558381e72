-- The journal of accounts that are kept in the process: a file of its own, so that it never waits
-- for the ledger. Amounts are nano-dollars, times are milliseconds since the epoch.

CREATE TABLE reservations (
    request_id   TEXT     NOT NULL PRIMARY KEY,
    state        TEXT     NOT NULL, -- open, charged (expired, may still be corrected) or settled
    amount_nanos BIGINT   NOT NULL,
    due_at       BIGINT   NOT NULL, -- when it expires or is forgotten; of settled ones, when it was
    accounts     TEXT     NOT NULL, -- a JSON array of [scope, id, window start, window end or null]
    memo         TEXT     NOT NULL  -- what the ledger needs to name the request
) WITHOUT ROWID;

CREATE INDEX reservations_by_state ON reservations (state, due_at);

CREATE TABLE balances (
    scope        TEXT     NOT NULL,
    id           TEXT     NOT NULL,
    window_start BIGINT   NOT NULL,
    window_end   BIGINT   NOT NULL, -- 0: it never ends
    spent_nanos  BIGINT   NOT NULL,
    limit_nanos  BIGINT   NOT NULL,
    alerted      BIGINT   NOT NULL,
    PRIMARY KEY (scope, id, window_start, window_end)
) WITHOUT ROWID;

CREATE TABLE journal (
    written_at   BIGINT   NOT NULL -- of the last batch
);

INSERT INTO journal (written_at) VALUES (0);
