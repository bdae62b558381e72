-- Sums of requests, so that no question has to read them one by one, and so that they stay when
-- requests are forgotten. Written in the transaction that writes the requests. Where a request has
-- no user, team … the text is empty. `id` is made of the day and the columns behind it.

-- 1: this row is not for people, because the configuration wants sums only. It stays for some hours,
-- so that a late report of its request counts once, and a crash leaves nothing uncharged.
ALTER TABLE requests ADD COLUMN transient BIGINT NOT NULL DEFAULT 0;

CREATE INDEX requests_transient ON requests (started_at) WHERE transient = 1;

CREATE TABLE spend (
    id                 TEXT     NOT NULL PRIMARY KEY,
    day                BIGINT   NOT NULL, -- days since the epoch, UTC
    key_id             TEXT     NOT NULL,
    user_id            TEXT     NOT NULL,
    team_id            TEXT     NOT NULL,
    alias              TEXT     NOT NULL,
    provider           TEXT     NOT NULL,
    provider_model     TEXT     NOT NULL,
    requests           BIGINT   NOT NULL,
    incomplete         BIGINT   NOT NULL, -- of these: did not end complete
    unpriced           BIGINT   NOT NULL, -- of these: no price was known
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
    cost_nanos         BIGINT   NOT NULL
);

CREATE INDEX spend_by_day ON spend (day);
CREATE INDEX spend_by_key ON spend (key_id, day);

-- The same by the end user that the client named.
CREATE TABLE spend_by_customer (
    id                 TEXT     NOT NULL PRIMARY KEY,
    day                BIGINT   NOT NULL,
    end_user           TEXT     NOT NULL,
    key_id             TEXT     NOT NULL,
    provider           TEXT     NOT NULL,
    provider_model     TEXT     NOT NULL,
    requests           BIGINT   NOT NULL,
    incomplete         BIGINT   NOT NULL,
    unpriced           BIGINT   NOT NULL,
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
    cost_nanos         BIGINT   NOT NULL
);

CREATE INDEX spend_by_customer_by_day ON spend_by_customer (day);

-- The same by tag; a request counts for each of its own.
CREATE TABLE spend_by_tag (
    id                 TEXT     NOT NULL PRIMARY KEY,
    day                BIGINT   NOT NULL,
    tag                TEXT     NOT NULL,
    requests           BIGINT   NOT NULL,
    incomplete         BIGINT   NOT NULL,
    unpriced           BIGINT   NOT NULL,
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
    cost_nanos         BIGINT   NOT NULL
);

CREATE INDEX spend_by_tag_by_day ON spend_by_tag (day);

-- What was recorded before there were sums. These rows share their columns with later ones, but not
-- the id: sums over both are right.
INSERT INTO spend
SELECT 'before/' || MIN(request_id), day, key_id, COALESCE(user_id, ''), COALESCE(team_id, ''), alias,
    COALESCE(provider, ''), COALESCE(provider_model, ''),
    COUNT(*),
    SUM(CASE WHEN state <> 'complete' THEN 1 ELSE 0 END),
    SUM(CASE WHEN cost_nanos IS NULL THEN 1 ELSE 0 END),
    SUM(input_tokens), SUM(cached_tokens), SUM(cache_write_tokens), SUM(audio_input_tokens),
    SUM(output_tokens), SUM(reasoning_tokens), SUM(audio_output_tokens),
    SUM(images), SUM(audio_ms), SUM(characters), COALESCE(SUM(cost_nanos), 0)
FROM requests
GROUP BY day, key_id, COALESCE(user_id, ''), COALESCE(team_id, ''), alias, COALESCE(provider, ''),
    COALESCE(provider_model, '');

INSERT INTO spend_by_customer
SELECT 'before/' || MIN(request_id), day, COALESCE(end_user, ''), key_id, COALESCE(provider, ''),
    COALESCE(provider_model, ''),
    COUNT(*),
    SUM(CASE WHEN state <> 'complete' THEN 1 ELSE 0 END),
    SUM(CASE WHEN cost_nanos IS NULL THEN 1 ELSE 0 END),
    SUM(input_tokens), SUM(cached_tokens), SUM(cache_write_tokens), SUM(audio_input_tokens),
    SUM(output_tokens), SUM(reasoning_tokens), SUM(audio_output_tokens),
    SUM(images), SUM(audio_ms), SUM(characters), COALESCE(SUM(cost_nanos), 0)
FROM requests
GROUP BY day, COALESCE(end_user, ''), key_id, COALESCE(provider, ''), COALESCE(provider_model, '');

INSERT INTO spend_by_tag
SELECT 'before/' || MIN(requests.request_id) || '/' || tag, day, tag,
    COUNT(*),
    SUM(CASE WHEN state <> 'complete' THEN 1 ELSE 0 END),
    SUM(CASE WHEN cost_nanos IS NULL THEN 1 ELSE 0 END),
    SUM(input_tokens), SUM(cached_tokens), SUM(cache_write_tokens), SUM(audio_input_tokens),
    SUM(output_tokens), SUM(reasoning_tokens), SUM(audio_output_tokens),
    SUM(images), SUM(audio_ms), SUM(characters), COALESCE(SUM(cost_nanos), 0)
FROM requests JOIN request_tags ON request_tags.request_id = requests.request_id
GROUP BY day, tag;
