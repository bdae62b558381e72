//! What is kept of requests besides the sums.

use std::sync::Arc;

use arc_swap::ArcSwap;
use dragoman_config::General;

use super::{RequestRow, State};
use crate::live::Live;

/// Of which requests rows are kept. Those of the others stay for some hours, hidden and without
/// attempts, so that a late report counts once and a crash leaves nothing uncharged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// `false`: sums only, LiteLLM's `disable_spend_logs`.
    pub rows: bool,
    /// `false`: no rows of requests that failed, LiteLLM's `disable_error_logs`.
    pub failures: bool,
}

impl Keep {
    /// Every row.
    pub const ALL: Self = Self {
        rows: true,
        failures: true,
    };

    /// As the configuration wants it.
    pub const fn of(general: &General) -> Self {
        Self {
            rows: !general.disable_spend_logs,
            failures: !general.disable_error_logs,
        }
    }

    /// Whether the row of this request is kept.
    pub const fn keeps(self, row: &RequestRow) -> bool {
        let failed = match row.state {
            State::Failed | State::Broken | State::Rejected => true,
            State::Complete | State::Cancelled | State::Unsettled => false,
        };
        self.rows && (self.failures || !failed)
    }
}

/// The rule of the moment.
#[derive(Clone)]
pub struct KeepRule(Arc<dyn Fn() -> Keep + Send + Sync>);

impl KeepRule {
    /// `rule` is asked for each batch.
    pub fn new(rule: impl Fn() -> Keep + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }

    /// As the configuration of the moment wants it.
    pub fn following(live: Arc<ArcSwap<Live>>) -> Self {
        Self::new(move || Keep::of(&live.load().config.general))
    }

    pub(super) fn now(&self) -> Keep {
        (self.0)()
    }
}

impl Default for KeepRule {
    fn default() -> Self {
        Self::new(|| Keep::ALL)
    }
}

impl std::fmt::Debug for KeepRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.now().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use dragoman_policy::PriceTable;

    use super::*;

    fn live(general: &str) -> Live {
        let text = format!(
            "model_list: [{{model_name: m, litellm_params: {{model: gpt-4o}}}}]\n\
             general_settings: {{{general}}}\n"
        );
        let config = dragoman_config::load(&text, &|_: &str| None).unwrap();
        Live::new(config, &Arc::new(PriceTable::bundled().unwrap())).unwrap()
    }

    #[test]
    fn the_rule_follows_a_changed_configuration() {
        let current = Arc::new(ArcSwap::from_pointee(live("")));
        let rule = KeepRule::following(Arc::clone(&current));
        assert_eq!(rule.now(), Keep::ALL);
        current.store(Arc::new(live("disable_error_logs: true")));
        let no_failures = Keep {
            rows: true,
            failures: false,
        };
        assert_eq!(rule.now(), no_failures);
        current.store(Arc::new(live("disable_spend_logs: true")));
        assert!(!rule.now().rows);
    }
}
