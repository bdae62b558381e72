-- One row per admitted request, one per attempt at a provider. Amounts are nano-dollars, times are
-- milliseconds (those called *_at since the epoch). Only what SQLite and PostgreSQL both understand.

CREATE TABLE requests (
    request_id         TEXT     NOT NULL PRIMARY KEY,
    started_at         BIGINT   NOT NULL,
    day                BIGINT   NOT NULL, -- days since the epoch, UTC
    duration_ms        BIGINT   NOT NULL,
    first_token_ms     BIGINT,
    key_id             TEXT     NOT NULL,
    team_id            TEXT,
    user_id            TEXT,
    end_user           TEXT,
    alias              TEXT     NOT NULL, -- the model as the client named it
    operation          TEXT     NOT NULL,
    stream             BIGINT   NOT NULL,
    state              TEXT     NOT NULL,
    status             BIGINT,            -- null: the client left before an answer began
    error_code         TEXT,
    deployment         TEXT,
    provider           TEXT,
    provider_model     TEXT,
    input_tokens       BIGINT   NOT NULL,
    cached_tokens      BIGINT   NOT NULL,
    cache_write_tokens BIGINT   NOT NULL,
    audio_input_tokens BIGINT   NOT NULL,
    output_tokens      BIGINT   NOT NULL,
    reasoning_tokens   BIGINT   NOT NULL,
    audio_output_tokens BIGINT  NOT NULL,
    images             BIGINT   NOT NULL,
    audio_ms           BIGINT   NOT NULL,
    characters         BIGINT   NOT NULL,
    usage_source       TEXT     NOT NULL,
    cost_nanos         BIGINT,            -- null: no price was known, which is not zero
    price_version      TEXT,
    attempts           BIGINT   NOT NULL,
    request_bytes      BIGINT   NOT NULL,
    response_bytes     BIGINT   NOT NULL,
    dropped            TEXT     NOT NULL, -- a JSON array of parameter names
    tags               TEXT     NOT NULL  -- a JSON array; request_tags has them one by one
);

CREATE INDEX requests_by_time ON requests (started_at, request_id);
CREATE INDEX requests_by_key ON requests (key_id, started_at);
CREATE INDEX requests_by_team ON requests (team_id, started_at) WHERE team_id IS NOT NULL;
CREATE INDEX requests_by_user ON requests (user_id, started_at) WHERE user_id IS NOT NULL;

CREATE TABLE attempts (
    request_id         TEXT     NOT NULL,
    attempt            BIGINT   NOT NULL, -- from 1
    started_at         BIGINT,
    duration_ms        BIGINT,
    first_token_ms     BIGINT,
    state              TEXT     NOT NULL,
    provider_status    BIGINT,            -- null: the provider sent none
    error_code         TEXT,
    deployment         TEXT,
    provider           TEXT,
    provider_model     TEXT,
    input_tokens       BIGINT   NOT NULL,
    cached_tokens      BIGINT   NOT NULL,
    cache_write_tokens BIGINT   NOT NULL,
    audio_input_tokens BIGINT   NOT NULL,
    output_tokens      BIGINT   NOT NULL,
    reasoning_tokens   BIGINT   NOT NULL,
    audio_output_tokens BIGINT  NOT NULL,
    images             BIGINT   NOT NULL,
    audio_ms           BIGINT   NOT NULL,
    characters         BIGINT   NOT NULL,
    usage_source       TEXT     NOT NULL,
    cost_nanos         BIGINT,
    price_version      TEXT,
    dropped            TEXT     NOT NULL,
    PRIMARY KEY (request_id, attempt)
);

CREATE TABLE request_tags (
    tag                TEXT     NOT NULL,
    request_id         TEXT     NOT NULL,
    PRIMARY KEY (tag, request_id)
);

CREATE INDEX request_tags_by_request ON request_tags (request_id);
