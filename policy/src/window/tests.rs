//! Windows and expiries at their edges.

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> UnixMillis {
    let time: Timestamp = text.parse().unwrap();
    UnixMillis(u64::try_from(time.as_millisecond()).unwrap())
}

fn window(period: &str, now: &str) -> (String, String) {
    let window = period.parse::<Period>().unwrap().window(at(now), at(now));
    (window.start.to_string(), window.end.unwrap().to_string())
}

#[test]
fn windows_are_aligned_to_the_clock_as_litellm_aligns_them() {
    let now = "2026-11-20T06:46:07Z";
    for (period, start, end) in [
        ("30s", "2026-11-20T06:46:00Z", "2026-11-20T06:46:30Z"),
        ("5m", "2026-11-20T06:45:00Z", "2026-11-20T06:50:00Z"),
        ("1h", "2026-11-20T06:00:00Z", "2026-11-20T07:00:00Z"),
        ("24h", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
        ("1d", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
        ("7d", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("1w", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("30d", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("1mo", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
    ] {
        assert_eq!(
            window(period, now),
            (start.to_owned(), end.to_owned()),
            "{period}"
        );
    }
}

#[test]
fn a_window_begins_exactly_where_the_last_one_ends() {
    assert_eq!(
        window("1mo", "2026-12-01T00:00:00Z").0,
        "2026-12-01T00:00:00Z"
    );
    assert_eq!(
        window("1mo", "2026-12-31T23:59:59.999Z").1,
        "2027-01-01T00:00:00Z"
    );
    assert_eq!(
        window("7d", "2026-11-23T00:00:00Z").0,
        "2026-11-23T00:00:00Z"
    );
    assert_eq!(
        window("1mo", "2028-02-29T12:00:00Z").1,
        "2028-03-01T00:00:00Z"
    );
}

#[test]
fn other_counts_of_days_are_counted_from_the_budget_s_day() {
    let period: Period = "90d".parse().unwrap();
    let made = at("2026-11-20T06:46:07Z");
    let first = period.window(made, made);
    assert_eq!(first.start, at("2026-11-20T00:00:00Z"));
    assert_eq!(first.end, Some(at("2027-02-18T00:00:00Z")));
    let second = period.window(at("2027-02-18T00:00:00Z"), made);
    assert_eq!(Some(second.start), first.end);
    let fortnight: Period = "2w".parse().unwrap();
    assert_eq!(
        fortnight.window(made, made).start,
        at("2026-11-16T00:00:00Z")
    );
}

#[test]
fn an_expiry_is_exact() {
    let now = at("2026-11-20T06:46:07.123Z");
    let after = |text: &str| text.parse::<Span>().unwrap().after(now);
    assert_eq!(after("30d"), at("2026-12-20T06:46:07.123Z"));
    assert_eq!(after("2h"), at("2026-11-20T08:46:07.123Z"));
    assert_eq!(after("1mo"), at("2026-12-20T06:46:07.123Z"));
    let last_of_january = at("2027-01-31T00:00:00Z");
    let month: Span = "1mo".parse().unwrap();
    assert_eq!(month.after(last_of_january), at("2027-02-28T00:00:00Z"));
}

#[test]
fn what_is_no_duration_is_refused() {
    for text in [
        "",
        "d",
        "0d",
        "30x",
        "1y",
        "-1",
        "1.5h",
        "99999999999s",
        "5 m",
        "1D",
    ] {
        assert!(text.parse::<Span>().is_err(), "{text}");
    }
    assert_eq!(
        "2mo".parse::<Period>().unwrap_err().to_string(),
        "`2mo` is no budget duration: of months only 1mo is known"
    );
}

#[test]
fn a_budget_without_a_duration_never_starts_anew() {
    let window = Window::of(None, at("2026-11-20T00:00:00Z"), UnixMillis(0));
    assert_eq!(window, Window::FOREVER);
    assert!(window.contains(UnixMillis(u64::MAX)));
}

proptest! {
    #[test]
    fn every_moment_lies_in_its_window(
        now in 0_u64..100_000_000_000_000, anchor in 0_u64..100_000_000_000_000,
        period in proptest::sample::select(vec![
            "7s", "30s", "5m", "7m", "1h", "5h", "1d", "3d", "7d", "30d", "90d", "1w", "3w", "1mo",
        ]),
    ) {
        let period: Period = period.parse().unwrap();
        let anchor = UnixMillis(anchor.min(now));
        let window = period.window(UnixMillis(now), anchor);
        // The days before the first Monday of 1970 belong to no week.
        prop_assume!(now >= 4 * DAY_MS && anchor.0 >= 4 * DAY_MS);
        prop_assert!(window.contains(UnixMillis(now)));
        let end = window.end.unwrap();
        prop_assert_eq!(period.window(end, anchor).start, end);
        prop_assert_eq!(period.window(window.start, anchor.min(window.start)).end.is_some(), true);
    }

    #[test]
    fn any_text_is_a_span_or_refused(text in "\\PC*") {
        let _ = text.parse::<Span>();
    }
}
