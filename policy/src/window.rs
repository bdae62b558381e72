//! Spans of time as LiteLLM writes them, and the calendar windows of budgets, all in UTC.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::time::UnixMillis;

#[cfg(test)]
mod tests;

const SECOND_MS: u64 = 1_000;
const DAY_MS: u64 = 86_400_000;

/// A span of time: `30s`, `5m`, `1h`, `7d`, `1w`, `1mo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    count: u32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
}

/// Text that is no span of time, or none that a budget can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// Not a count and a unit.
    #[error("`{0}` is no duration: use a form such as 30s, 5m, 1h, 7d, 30d or 1mo")]
    Malformed(String),
    /// A budget has no windows of this length.
    #[error("`{0}` is no budget duration: of months only 1mo is known")]
    NotABudgetWindow(String),
}

impl Span {
    /// Exactly this span after `now`: how a key's `duration` becomes its expiry. A month is a
    /// calendar month, so January 31 plus `1mo` is the last day of February.
    pub fn after(self, now: UnixMillis) -> UnixMillis {
        match self.fixed_ms() {
            Some(ms) => now.plus(ms),
            None => months_after(now, self.count).unwrap_or(UnixMillis(u64::MAX)),
        }
    }

    /// The length in milliseconds, unless it depends on the calendar.
    pub fn fixed_ms(self) -> Option<u64> {
        let unit = match self.unit {
            Unit::Second => SECOND_MS,
            Unit::Minute => 60 * SECOND_MS,
            Unit::Hour => 3_600 * SECOND_MS,
            Unit::Day => DAY_MS,
            Unit::Week => 7 * DAY_MS,
            Unit::Month => return None,
        };
        Some(unit * u64::from(self.count))
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let malformed = || SpanError::Malformed(text.chars().take(40).collect());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        let unit = match unit {
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            "d" => Unit::Day,
            "w" => Unit::Week,
            "mo" => Unit::Month,
            _ => return Err(malformed()),
        };
        let count = count.parse().map_err(|_| malformed())?;
        if count == 0 {
            return Err(malformed());
        }
        Ok(Self { count, unit })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => "s",
            Unit::Minute => "m",
            Unit::Hour => "h",
            Unit::Day => "d",
            Unit::Week => "w",
            Unit::Month => "mo",
        };
        write!(f, "{}{unit}", self.count)
    }
}

/// How often a budget starts anew: LiteLLM's `budget_duration`.
///
/// Windows are aligned to the clock, as LiteLLM aligns them: `30d` and `1mo` to the first of the
/// month, `7d` and `1w` to Monday, `1d` to midnight, hours, minutes and seconds to their multiples.
/// Other counts of days and weeks have nothing to align to and are counted from the day (the week)
/// of the budget's creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period(Span);

impl Period {
    /// The window that `now` lies in. `anchor` is when the budget was made; it matters only for
    /// counts of days and weeks that no calendar knows.
    pub fn window(self, now: UnixMillis, anchor: UnixMillis) -> Window {
        let Span { count, unit } = self.0;
        match (unit, count) {
            (Unit::Month, _) | (Unit::Day, 30) => month(now).unwrap_or(Window::FOREVER),
            (Unit::Week, 1) | (Unit::Day, 7) => Window::multiple(now, 7 * DAY_MS, monday()),
            (Unit::Day, 1) => Window::multiple(now, DAY_MS, UnixMillis(0)),
            (Unit::Day, _) => {
                let day = Window::multiple(anchor, DAY_MS, UnixMillis(0));
                self.counted(now, day.start)
            }
            (Unit::Week, _) => {
                let week = Window::multiple(anchor, 7 * DAY_MS, monday());
                self.counted(now, week.start)
            }
            (Unit::Second | Unit::Minute | Unit::Hour, _) => self.counted(now, UnixMillis(0)),
        }
    }

    /// Windows of this length, counted from `origin`.
    fn counted(self, now: UnixMillis, origin: UnixMillis) -> Window {
        Window::multiple(now, self.0.fixed_ms().unwrap_or(DAY_MS), origin)
    }
}

impl TryFrom<Span> for Period {
    type Error = SpanError;

    fn try_from(span: Span) -> Result<Self, SpanError> {
        if span.unit == Unit::Month && span.count != 1 {
            return Err(SpanError::NotABudgetWindow(span.to_string()));
        }
        Ok(Self(span))
    }
}

impl FromStr for Period {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        text.parse::<Span>()?.try_into()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A time in which a budget is spent once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// Its first millisecond; names it in storage.
    pub start: UnixMillis,
    /// The first millisecond after it; `None` when it never ends.
    pub end: Option<UnixMillis>,
}

impl Window {
    /// The window of a budget that never starts anew.
    pub const FOREVER: Self = Self {
        start: UnixMillis(0),
        end: None,
    };

    /// The window of a budget with `period`, or of one that never starts anew.
    pub fn of(period: Option<Period>, now: UnixMillis, anchor: UnixMillis) -> Self {
        period.map_or(Self::FOREVER, |period| period.window(now, anchor))
    }

    /// Whether `now` lies in it.
    pub fn contains(&self, now: UnixMillis) -> bool {
        self.start <= now && self.end.is_none_or(|end| now < end)
    }

    /// The window of `length` that `now` lies in, counted from `origin`. A time before the origin
    /// (a clock that was set back) lies in the first.
    fn multiple(now: UnixMillis, length: u64, origin: UnixMillis) -> Self {
        let since = origin.until(now);
        let start = origin.plus(since - since % length.max(1));
        Self {
            start,
            end: Some(start.plus(length)),
        }
    }
}

/// The first Monday of the epoch, 1970-01-05.
const fn monday() -> UnixMillis {
    UnixMillis(4 * DAY_MS)
}

fn date(time: UnixMillis) -> Option<Date> {
    let ms = i64::try_from(time.0).ok()?;
    Some(
        Timestamp::from_millisecond(ms)
            .ok()?
            .to_zoned(TimeZone::UTC)
            .date(),
    )
}

fn midnight(date: Date) -> Option<UnixMillis> {
    let midnight = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
    u64::try_from(midnight.as_millisecond())
        .ok()
        .map(UnixMillis)
}

fn month(now: UnixMillis) -> Option<Window> {
    let first = date(now)?.first_of_month();
    let next = first.checked_add(1.month()).ok()?;
    Some(Window {
        start: midnight(first)?,
        end: Some(midnight(next)?),
    })
}

fn months_after(now: UnixMillis, count: u32) -> Option<UnixMillis> {
    let ms = i64::try_from(now.0).ok()?;
    let time = Timestamp::from_millisecond(ms)
        .ok()?
        .to_zoned(TimeZone::UTC);
    let months = jiff::Span::new().try_months(i64::from(count)).ok()?;
    let later = time.checked_add(months).ok()?.timestamp();
    u64::try_from(later.as_millisecond()).ok().map(UnixMillis)
}
