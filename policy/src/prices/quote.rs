//! What a request can cost wherever its plan may take it.

use super::{Ceiling, Price, Unpriced};
use crate::money::NanoDollars;

/// The prices of a plan's deployments, and the most that the request can use at each of them: an image
/// is more tokens to one model than to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    lines: Vec<(Price, Ceiling)>,
    output_tokens: u64,
}

impl Quote {
    /// A quote of `lines`, one for each deployment of the plan. The largest output cap among them is
    /// the request's.
    pub fn new(mut lines: Vec<(Price, Ceiling)>) -> Self {
        lines.dedup();
        let caps = lines.iter().map(|(_, ceiling)| ceiling.output_tokens);
        Self {
            output_tokens: caps.max().unwrap_or_default(),
            lines,
        }
    }

    /// The output cap, per choice.
    pub const fn output_tokens(&self) -> u64 {
        self.output_tokens
    }

    /// The most that the request can cost at the dearest deployment.
    pub fn most(&self) -> Result<NanoDollars, Unpriced> {
        self.most_with(self.output_tokens)
    }

    /// The same with another output cap.
    pub fn most_with(&self, output_tokens: u64) -> Result<NanoDollars, Unpriced> {
        let mut most = NanoDollars::ZERO;
        for (price, ceiling) in &self.lines {
            let ceiling = Ceiling {
                output_tokens,
                ..*ceiling
            };
            most = most.max(price.most(&ceiling)?);
        }
        Ok(most)
    }

    /// The largest output cap under which the request costs at most `amount` wherever it goes, at
    /// most the one asked for; `None` when even the input does not fit.
    pub fn output_within(&self, amount: NanoDollars) -> Result<Option<u64>, Unpriced> {
        let mut cap = self.output_tokens;
        for (price, ceiling) in &self.lines {
            let ceiling = Ceiling {
                output_tokens: self.output_tokens,
                ..*ceiling
            };
            match price.output_within(&ceiling, amount)? {
                Some(within) => cap = cap.min(within),
                None => return Ok(None),
            }
        }
        Ok(Some(cap))
    }
}
