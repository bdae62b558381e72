//! Periods and shares.

use std::fmt;

/// A budget's window, as LiteLLM writes it: `30s`, `5m`, `1h`, `1d`, `30d`, `1w`, `1mo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    /// How many units; at least 1.
    pub count: u32,
    /// Of what.
    pub unit: PeriodUnit,
}

/// Unit of a [`Period`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeriodUnit {
    /// `s`
    Seconds,
    /// `m`
    Minutes,
    /// `h`
    Hours,
    /// `d`
    Days,
    /// `w`
    Weeks,
    /// `mo`, of the calendar
    Months,
}

impl PeriodUnit {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Months, "mo"),
        (Self::Seconds, "s"),
        (Self::Minutes, "m"),
        (Self::Hours, "h"),
        (Self::Days, "d"),
        (Self::Weeks, "w"),
    ];
}

impl Period {
    /// Reads `30d`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (unit, count) = PeriodUnit::ALL
            .into_iter()
            .find_map(|(unit, suffix)| Some((unit, text.strip_suffix(suffix)?)))?;
        let count = count.parse().ok().filter(|count| *count > 0)?;
        Some(Self { count, unit })
    }

    /// Its length in seconds; a month counts as 30 days.
    pub fn seconds(self) -> u64 {
        let unit = match self.unit {
            PeriodUnit::Seconds => 1,
            PeriodUnit::Minutes => 60,
            PeriodUnit::Hours => 3_600,
            PeriodUnit::Days => 86_400,
            PeriodUnit::Weeks => 604_800,
            PeriodUnit::Months => 2_592_000,
        };
        u64::from(self.count) * unit
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = PeriodUnit::ALL
            .into_iter()
            .find(|(unit, _)| *unit == self.unit);
        write!(
            f,
            "{}{}",
            self.count,
            suffix.map_or("", |(_, suffix)| suffix)
        )
    }
}

/// A part of a whole in ten-thousandths: 0.8 is 8000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

impl Share {
    /// From 0.0 to 1.0; `None` outside.
    pub fn from_fraction(fraction: f64) -> Option<Self> {
        let scaled = (fraction * 10_000.0).round();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let share = Self(scaled as u16);
        (0.0..=10_000.0).contains(&scaled).then_some(share)
    }

    /// In ten-thousandths.
    pub const fn ten_thousandths(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_read_as_litellm_writes_them() {
        for (text, seconds) in [
            ("30s", 30),
            ("5m", 300),
            ("1h", 3_600),
            ("30d", 2_592_000),
            ("1mo", 2_592_000),
        ] {
            let period = Period::parse(text).unwrap();
            assert_eq!(
                (period.seconds(), period.to_string().as_str()),
                (seconds, text)
            );
        }
        for text in ["", "d", "0d", "-1d", "1.5h", "1y", "mo"] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_share_is_between_nothing_and_all() {
        assert_eq!(
            Share::from_fraction(0.8).map(Share::ten_thousandths),
            Some(8_000)
        );
        assert_eq!(Share::from_fraction(1.5), None);
        assert_eq!(Share::from_fraction(f64::NAN), None);
    }
}
