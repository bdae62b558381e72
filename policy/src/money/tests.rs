//! Amounts and prices: read exactly, rounded as promised.

use proptest::prelude::*;

use super::*;

fn nanos(text: &str) -> Result<u64, DecimalError> {
    text.parse::<NanoDollars>().map(NanoDollars::nanos)
}

fn picos(text: &str) -> Result<u64, DecimalError> {
    text.parse::<PicoPrice>().map(|price| price.0)
}

#[test]
fn dollars_are_read_from_any_decimal_form() {
    for (text, expected) in [
        ("5", 5_000_000_000),
        ("5.", 5_000_000_000),
        (".5", 500_000_000),
        ("0.000012", 12_000),
        ("1e-7", 100),
        ("1E+2", 100_000_000_000),
        ("0.30000000000000004", 300_000_000),
        ("0", 0),
        ("-0.0", 0),
        ("0e99999", 0),
        (" 1.25 ", 1_250_000_000),
    ] {
        assert_eq!(nanos(text), Ok(expected), "{text}");
    }
}

#[test]
fn prices_are_read_exactly() {
    for (text, expected) in [
        ("1.5e-07", 150_000),
        ("0.00000015", 150_000),
        ("3.083e-05", 30_830_000),
        ("8.900000000000001e-07", 890_000),
        ("9.499999999999999e-07", 950_000),
        ("0.04", 40_000_000_000),
    ] {
        assert_eq!(picos(text), Ok(expected), "{text}");
    }
}

#[test]
fn a_price_per_million_is_read_exactly() {
    assert_eq!(PicoPrice::per_million("2.50"), Ok(PicoPrice(2_500_000)));
    assert_eq!(PicoPrice::per_million("0.075"), Ok(PicoPrice(75_000)));
}

#[test]
fn what_is_above_zero_never_becomes_zero() {
    assert_eq!(nanos("1e-30"), Ok(1));
    assert_eq!(picos("1e-13"), Ok(1));
}

#[test]
fn what_is_no_amount_is_refused() {
    for text in [
        "", ".", "e5", "1e", "1e+", "abc", "1,5", "0x10", "1 2", "NaN", "inf", "--1", "1.2.3",
    ] {
        assert_eq!(nanos(text), Err(DecimalError::Malformed), "{text}");
    }
    assert_eq!(nanos("-1"), Err(DecimalError::Negative));
    assert_eq!(nanos("1e20"), Err(DecimalError::TooLarge));
    assert_eq!(nanos("9223372036.854775808"), Err(DecimalError::TooLarge));
}

#[test]
fn picos_round_up_to_nanos() {
    for (picos, expected) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2)] {
        assert_eq!(NanoDollars::from_picos_rounded_up(picos).nanos(), expected);
    }
    assert_eq!(
        NanoDollars::from_picos_rounded_up(u128::MAX),
        NanoDollars::MAX
    );
}

proptest! {
    #[test]
    fn an_amount_survives_its_text(value in 0..=NanoDollars::MAX.nanos()) {
        let amount = NanoDollars::new(value);
        prop_assert_eq!(amount.to_string().parse(), Ok(amount));
    }

    #[test]
    fn a_price_survives_its_text(value: u64) {
        let price = PicoPrice(value);
        prop_assert_eq!(price.to_string().parse(), Ok(price));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-+]?[0-9]{0,30}[.]?[0-9]{0,30}(e[-+]?[0-9]{0,9})?") {
        let _ = nanos(&text);
        let _ = picos(&text);
    }

    #[test]
    fn arithmetic_stays_within_what_a_column_holds(a: u64, b: u64) {
        let (a, b) = (NanoDollars::new(a), NanoDollars::new(b));
        prop_assert!(a.saturating_add(b) <= NanoDollars::MAX);
        prop_assert_eq!(NanoDollars::from_i64(a.to_i64()), a);
        prop_assert_eq!(a.checked_sub(b).is_some(), a >= b);
    }

    #[test]
    fn exponents_only_move_the_point(value in 0_u64..1_000_000_000, exponent in 0_u32..9) {
        let moved = format!("{value}e-{exponent}");
        let expected = value * 10_u64.pow(9 - exponent);
        prop_assert_eq!(nanos(&moved), Ok(expected));
    }
}
