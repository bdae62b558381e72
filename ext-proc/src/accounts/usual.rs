//! How long the answers of a model usually are: what a contended request waits for.

use std::collections::HashMap;
use std::sync::Arc;

/// Names come from clients where deployments are wildcards.
const MOST_MODELS: usize = 4_096;
/// How slowly a long answer is forgotten: by this part of the difference per answer.
const FADING: u64 = 16;

/// Per model, a maximum of output tokens that fades. It is a hint: a wrong one costs waiting or
/// shorter answers while a budget is contended, never money.
#[derive(Debug, Default)]
pub(super) struct UsualOutput(HashMap<Arc<str>, u64>);

impl UsualOutput {
    pub(super) fn of(&self, model: &str) -> Option<u64> {
        self.0.get(model).copied()
    }

    pub(super) fn note(&mut self, model: &Arc<str>, output_tokens: u64) {
        if output_tokens == 0 {
            return;
        }
        if let Some(usual) = self.0.get_mut(model) {
            *usual = match usual.checked_sub(output_tokens) {
                Some(less) => *usual - less / FADING,
                None => output_tokens,
            };
        } else if self.0.len() < MOST_MODELS {
            self.0.insert(Arc::clone(model), output_tokens);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_counts_at_once_and_fades() {
        let model = Arc::from("m");
        let mut usual = UsualOutput::default();
        assert_eq!(usual.of("m"), None);
        for (output, then) in [(100, 100), (500, 500), (100, 475), (0, 475)] {
            usual.note(&model, output);
            assert_eq!(usual.of("m"), Some(then), "after {output}");
        }
    }
}
