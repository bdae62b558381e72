-- Batches are numbered in the order in which they are committed, and each request has the number of
-- its batch. So whoever reads a sum together with the last number knows of every request, at any
-- later time, whether it was in that sum.

ALTER TABLE requests ADD COLUMN position BIGINT NOT NULL DEFAULT 0;

CREATE TABLE ledger_position (
    position           BIGINT   NOT NULL
);

INSERT INTO ledger_position (position) VALUES (0);
