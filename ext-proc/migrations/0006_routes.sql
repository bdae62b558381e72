-- The endpoints that a key may use: LiteLLM's `allowed_routes`, a JSON list; empty means all.

ALTER TABLE virtual_keys ADD COLUMN allowed_routes TEXT NOT NULL DEFAULT '[]';
