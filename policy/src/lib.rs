//! Decisions, pure and synchronous: keys, budgets, limits, prices and plans.
