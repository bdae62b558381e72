-- Who may ask, and on which terms. Amounts are nano-dollars, times called *_at milliseconds since
-- the epoch, lists and maps are JSON. `version` grows with each change, so that two changes at once
-- never overwrite each other. Only what SQLite and PostgreSQL both understand.

CREATE TABLE virtual_keys (
    key_id             TEXT     NOT NULL PRIMARY KEY, -- the hash of the key as first made; never changes
    token              TEXT     NOT NULL,             -- the hash of the key of now
    key_name           TEXT     NOT NULL,             -- sk-...abcd
    key_alias          TEXT,
    user_id            TEXT,
    team_id            TEXT,
    models             TEXT     NOT NULL,
    aliases            TEXT     NOT NULL,
    metadata           TEXT     NOT NULL,
    tags               TEXT     NOT NULL,
    blocked            BIGINT,
    expires_at         BIGINT,
    budget_id          TEXT,
    max_budget         BIGINT,
    soft_budget        BIGINT,
    budget_duration    TEXT,
    model_max_budget   TEXT     NOT NULL,
    rpm_limit          BIGINT,
    tpm_limit          BIGINT,
    max_parallel_requests BIGINT,
    model_rpm_limit    TEXT     NOT NULL,
    model_tpm_limit    TEXT     NOT NULL,
    rotations          BIGINT   NOT NULL,
    rotated_at         BIGINT,
    created_at         BIGINT   NOT NULL,
    created_by         TEXT     NOT NULL,
    updated_at         BIGINT   NOT NULL,
    updated_by         TEXT     NOT NULL,
    version            BIGINT   NOT NULL
);

CREATE UNIQUE INDEX virtual_keys_alias ON virtual_keys (key_alias);
CREATE INDEX virtual_keys_by_time ON virtual_keys (created_at, key_id);
CREATE INDEX virtual_keys_by_team ON virtual_keys (team_id);
CREATE INDEX virtual_keys_by_user ON virtual_keys (user_id);

-- Every hash that ever stood for a key, so that a key before its regeneration still works in its
-- grace period, and is still known for what it was after it.
CREATE TABLE key_hashes (
    hash               TEXT     NOT NULL PRIMARY KEY,
    key_id             TEXT     NOT NULL,
    valid_until        BIGINT                         -- null: as long as the key
);

CREATE INDEX key_hashes_by_key ON key_hashes (key_id);

CREATE TABLE teams (
    team_id            TEXT     NOT NULL PRIMARY KEY,
    team_alias         TEXT,
    models             TEXT     NOT NULL,
    aliases            TEXT     NOT NULL,
    metadata           TEXT     NOT NULL,
    tags               TEXT     NOT NULL,
    blocked            BIGINT,
    budget_id          TEXT,
    max_budget         BIGINT,
    soft_budget        BIGINT,
    budget_duration    TEXT,
    model_max_budget   TEXT     NOT NULL,
    rpm_limit          BIGINT,
    tpm_limit          BIGINT,
    max_parallel_requests BIGINT,
    model_rpm_limit    TEXT     NOT NULL,
    model_tpm_limit    TEXT     NOT NULL,
    created_at         BIGINT   NOT NULL,
    created_by         TEXT     NOT NULL,
    updated_at         BIGINT   NOT NULL,
    updated_by         TEXT     NOT NULL,
    version            BIGINT   NOT NULL
);

CREATE TABLE users (
    user_id            TEXT     NOT NULL PRIMARY KEY,
    user_alias         TEXT,
    user_email         TEXT,
    user_role          TEXT,
    models             TEXT     NOT NULL,
    aliases            TEXT     NOT NULL,
    metadata           TEXT     NOT NULL,
    tags               TEXT     NOT NULL,
    blocked            BIGINT,
    budget_id          TEXT,
    max_budget         BIGINT,
    soft_budget        BIGINT,
    budget_duration    TEXT,
    model_max_budget   TEXT     NOT NULL,
    rpm_limit          BIGINT,
    tpm_limit          BIGINT,
    max_parallel_requests BIGINT,
    model_rpm_limit    TEXT     NOT NULL,
    model_tpm_limit    TEXT     NOT NULL,
    created_at         BIGINT   NOT NULL,
    created_by         TEXT     NOT NULL,
    updated_at         BIGINT   NOT NULL,
    updated_by         TEXT     NOT NULL,
    version            BIGINT   NOT NULL
);

CREATE INDEX users_by_email ON users (user_email);

CREATE TABLE memberships (
    team_id            TEXT     NOT NULL,
    user_id            TEXT     NOT NULL,
    role               TEXT     NOT NULL,
    budget_id          TEXT,
    created_at         BIGINT   NOT NULL,
    PRIMARY KEY (team_id, user_id)
);

CREATE INDEX memberships_by_user ON memberships (user_id);

CREATE TABLE budget_templates (
    budget_id          TEXT     NOT NULL PRIMARY KEY,
    max_budget         BIGINT,
    soft_budget        BIGINT,
    budget_duration    TEXT,
    model_max_budget   TEXT     NOT NULL,
    rpm_limit          BIGINT,
    tpm_limit          BIGINT,
    max_parallel_requests BIGINT,
    model_rpm_limit    TEXT     NOT NULL,
    model_tpm_limit    TEXT     NOT NULL,
    created_at         BIGINT   NOT NULL,
    created_by         TEXT     NOT NULL,
    updated_at         BIGINT   NOT NULL,
    updated_by         TEXT     NOT NULL,
    version            BIGINT   NOT NULL
);
