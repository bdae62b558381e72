-- Pages of requests for an alias ask on which days it was asked for.

CREATE INDEX spend_by_alias ON spend (alias, day);
