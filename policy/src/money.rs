//! Amounts and prices as integers. No float ever holds money; text is read digit by digit.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

mod decimal;
#[cfg(test)]
mod tests;

pub use decimal::DecimalError;

const NANO_DIGITS: u32 = 9;
const PICO_DIGITS: u32 = 12;
const PICO_PER_NANO: u128 = 1_000;

/// An amount of money: billionths of a US dollar, never negative.
///
/// Every value fits a signed 64-bit column; arithmetic saturates at [`NanoDollars::MAX`] (9.2
/// billion dollars) and at zero. Written as an integer by serde, for storage.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NanoDollars(u64);

impl NanoDollars {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// `nanos` billionths of a dollar, at most [`NanoDollars::MAX`].
    pub const fn new(nanos: u64) -> Self {
        if nanos > Self::MAX.0 {
            Self::MAX
        } else {
            Self(nanos)
        }
    }

    /// Whole dollars.
    pub const fn dollars(dollars: u64) -> Self {
        Self::new(dollars.saturating_mul(1_000_000_000))
    }

    /// Billionths of a dollar.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// For a signed 64-bit column.
    pub fn to_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// Out of a signed 64-bit column; a negative value is zero.
    pub fn from_i64(nanos: i64) -> Self {
        Self(u64::try_from(nanos).unwrap_or(0))
    }

    /// `picos` trillionths of a dollar, rounded up.
    pub fn from_picos_rounded_up(picos: u128) -> Self {
        u64::try_from(picos.div_ceil(PICO_PER_NANO)).map_or(Self::MAX, Self::new)
    }

    /// Trillionths of a dollar.
    pub fn picos(self) -> u128 {
        u128::from(self.0) * PICO_PER_NANO
    }

    /// The sum, or `None` when it is over [`NanoDollars::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0
            .checked_add(other.0)
            .filter(|sum| *sum <= Self::MAX.0)
            .map(Self)
    }

    /// The sum, at most [`NanoDollars::MAX`].
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self::new(self.0.saturating_add(other.0))
    }

    /// The difference, at least zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The difference, or `None` when `other` is more.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Whether this is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for NanoDollars {
    /// Dollars as a plain decimal number (`0.000012`, `5`): exact, and valid JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write_scaled(f, self.0, NANO_DIGITS)
    }
}

impl FromStr for NanoDollars {
    type Err = DecimalError;

    /// Reads dollars: `5`, `0.000012`, `1e-7`. What is finer than a
    /// billionth is rounded to the nearest, but never to zero.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let nanos = decimal::parse_scaled(text, NANO_DIGITS)?;
        if nanos > Self::MAX.0 {
            return Err(DecimalError::TooLarge);
        }
        Ok(Self(nanos))
    }
}

impl Sum for NanoDollars {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

/// A price: trillionths of a US dollar per unit (a token, an image, a second, a character).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PicoPrice(pub u64);

impl PicoPrice {
    /// Free.
    pub const FREE: Self = Self(0);

    /// What `units` cost, in trillionths of a dollar: rounding is left to the whole request.
    pub fn times(self, units: u64) -> u128 {
        u128::from(self.0) * u128::from(units)
    }

    /// A price given in dollars per million units: `2.50` is 2,500,000.
    pub fn per_million(text: &str) -> Result<Self, DecimalError> {
        decimal::parse_scaled(text, PICO_DIGITS - 6).map(Self)
    }
}

impl fmt::Display for PicoPrice {
    /// Dollars per unit as a plain decimal number: exact, and valid JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write_scaled(f, self.0, PICO_DIGITS)
    }
}

impl FromStr for PicoPrice {
    type Err = DecimalError;

    /// Reads dollars per unit: `1.5e-07`, `0.00000015`. What is finer than a trillionth (the noise
    /// of a float's text, such as `8.900000000000001e-07`) is rounded to the nearest, but a price
    /// above zero never becomes free.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        decimal::parse_scaled(text, PICO_DIGITS).map(Self)
    }
}
