-- Budgets ask for the spend of one user or team.

CREATE INDEX spend_by_user ON spend (user_id, day);
CREATE INDEX spend_by_team ON spend (team_id, day);
