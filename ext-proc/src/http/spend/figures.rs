//! Sums and amounts as answers show them.

use dragoman_policy::NanoDollars;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::ledger::Totals;

/// An amount as a JSON number that is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Dollars(pub(super) NanoDollars);

impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = RawValue::from_string(self.0.to_string());
        number
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

/// The columns of sums in CSV.
pub(super) const FIGURES: [&str; 9] = [
    "requests",
    "incomplete",
    "unpriced",
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "spend",
];

/// A line of CSV: `names`, then the figures.
pub(super) fn line(names: impl IntoIterator<Item = String>, totals: &Totals) -> Vec<String> {
    let usage = &totals.usage;
    let counts = [
        totals.requests,
        totals.incomplete,
        totals.unpriced,
        usage.input_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    ];
    let counts = counts.iter().map(ToString::to_string);
    let mut line: Vec<_> = names.into_iter().chain(counts).collect();
    line.push(totals.cost.to_string());
    line
}

/// The first line of CSV: `names`, then those of the figures.
pub(super) fn head(names: &[&'static str]) -> Vec<&'static str> {
    names.iter().copied().chain(FIGURES).collect()
}

/// Input and output tokens.
pub(super) const fn tokens(totals: &Totals) -> u64 {
    totals
        .usage
        .input_tokens
        .saturating_add(totals.usage.output_tokens)
}
