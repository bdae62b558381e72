//! What a request can cost wherever its plan may take it.

use super::{Ceiling, Price, Unpriced};
use crate::money::NanoDollars;

/// The prices of a plan's deployments, and the most that the request can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    prices: Vec<Price>,
    ceiling: Ceiling,
}

impl Quote {
    /// A quote over `prices`, one for each deployment of the plan.
    pub const fn new(prices: Vec<Price>, ceiling: Ceiling) -> Self {
        Self { prices, ceiling }
    }

    /// The output cap, per choice.
    pub const fn output_tokens(&self) -> u64 {
        self.ceiling.output_tokens
    }

    /// The most that the request can cost at the dearest deployment.
    pub fn most(&self) -> Result<NanoDollars, Unpriced> {
        self.most_with(self.ceiling.output_tokens)
    }

    /// The same with another output cap.
    pub fn most_with(&self, output_tokens: u64) -> Result<NanoDollars, Unpriced> {
        let ceiling = Ceiling {
            output_tokens,
            ..self.ceiling
        };
        let mut most = NanoDollars::ZERO;
        for price in &self.prices {
            most = most.max(price.most(&ceiling)?);
        }
        Ok(most)
    }

    /// The largest output cap under which the request costs at most `amount` wherever it goes, at
    /// most the one asked for; `None` when even the input does not fit.
    pub fn output_within(&self, amount: NanoDollars) -> Result<Option<u64>, Unpriced> {
        let mut cap = self.ceiling.output_tokens;
        for price in &self.prices {
            match price.output_within(&self.ceiling, amount)? {
                Some(within) => cap = cap.min(within),
                None => return Ok(None),
            }
        }
        Ok(Some(cap))
    }
}
