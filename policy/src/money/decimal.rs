//! Decimal text to scaled integers and back, without floats.

use std::fmt;

/// Text that is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a decimal number.
    #[error("not a decimal number")]
    Malformed,
    /// Below zero.
    #[error("a negative amount")]
    Negative,
    /// More than can be held.
    #[error("too large an amount")]
    TooLarge,
}

/// Beyond this an exponent or a fraction says nothing that an amount could hold.
const MAX_DIGITS: usize = 400;

/// `text` (`digits[.digits][e[+-]digits]`) times `10^scale`, rounded half up, but never from above
/// zero to zero.
pub(super) fn parse_scaled(text: &str, scale: u32) -> Result<u64, DecimalError> {
    let text = text.trim();
    let (text, negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    if text.len() > MAX_DIGITS {
        return Err(DecimalError::Malformed);
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits_only = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !digits_only(whole) || !digits_only(fraction) {
        return Err(DecimalError::Malformed);
    }
    let fraction_digits = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let shift = exponent + i64::from(scale) - fraction_digits;
    let value = shifted(whole.bytes().chain(fraction.bytes()), shift)?;
    if negative && value != 0 {
        return Err(DecimalError::Negative);
    }
    Ok(value)
}

fn parse_exponent(text: &str) -> Result<i64, DecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DecimalError::Malformed);
    }
    // Clamped: the result is zero or too large either way.
    let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX).min(100_000);
    Ok(if text.starts_with('-') {
        -magnitude
    } else {
        magnitude
    })
}

/// The number that `digits` spell, times `10^shift`.
fn shifted(digits: impl Iterator<Item = u8> + Clone, shift: i64) -> Result<u64, DecimalError> {
    let count = i64::try_from(digits.clone().count()).unwrap_or(i64::MAX);
    let kept = usize::try_from((count + shift.min(0)).max(0)).unwrap_or(0);
    let digit = |byte: u8| u64::from(byte - b'0');
    let append = |value: u64, digit: u64| {
        value
            .checked_mul(10)
            .and_then(|v| v.checked_add(digit))
            .ok_or(DecimalError::TooLarge)
    };
    let mut value = 0;
    for byte in digits.clone().take(kept) {
        value = append(value, digit(byte))?;
    }
    if value != 0 {
        for _ in 0..shift.max(0) {
            value = append(value, 0)?;
        }
    }
    // The first digit cut off decides, and it is a digit of the text only if no zeros lie between.
    let zeros_between = count + shift < 0;
    let rounds_up = !zeros_between && digits.clone().nth(kept).is_some_and(|b| b >= b'5');
    if rounds_up {
        value = value.checked_add(1).ok_or(DecimalError::TooLarge)?;
    }
    let above_zero = digits.into_iter().any(|b| b != b'0');
    Ok(if above_zero { value.max(1) } else { value })
}

/// Writes `value / 10^scale` as a plain decimal number without trailing zeros.
pub(super) fn write_scaled(f: &mut fmt::Formatter<'_>, value: u64, scale: u32) -> fmt::Result {
    let unit = 10_u64.pow(scale);
    let (whole, fraction) = (value / unit, value % unit);
    if fraction == 0 {
        return write!(f, "{whole}");
    }
    let width = scale as usize;
    let digits = format!("{fraction:0width$}");
    write!(f, "{whole}.{}", digits.trim_end_matches('0'))
}
