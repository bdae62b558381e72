//! Sums by day: what a batch changes in them.

use std::collections::{BTreeMap, BTreeSet};

use dragoman_proto::Usage;
use sha2::{Digest, Sha256};

use super::row::{MS_PER_DAY, clipped_tag, nanos, text, units};
use super::{LedgerError, RequestRow, State, Totals};
use crate::database::{Named, OnConflict, Rows, Session, Value};

/// The columns that are summed.
pub(super) const MEASURES: [&str; 14] = [
    "requests",
    "incomplete",
    "unpriced",
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "audio_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_output_tokens",
    "images",
    "audio_ms",
    "characters",
    "cost_nanos",
];

/// One value per measure.
type Measured = [i64; MEASURES.len()];

/// A table of sums. All have the columns `id` and `day`, and the measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Spend,
    ByCustomer,
    ByTag,
}

impl Table {
    pub(super) const ALL: [Self; 3] = [Self::Spend, Self::ByCustomer, Self::ByTag];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Spend => "spend",
            Self::ByCustomer => "spend_by_customer",
            Self::ByTag => "spend_by_tag",
        }
    }

    /// What it tells apart, besides the day.
    pub(super) const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Spend => &[
                "key_id",
                "user_id",
                "team_id",
                "alias",
                "provider",
                "provider_model",
            ],
            Self::ByCustomer => &["end_user", "key_id", "provider", "provider_model"],
            Self::ByTag => &["tag"],
        }
    }
}

/// What is added to sums, and taken away from them.
#[derive(Debug, Default)]
pub(super) struct Deltas(
    /// In an order that is the same in every replica, so that no two wait for each other's rows.
    BTreeMap<(Table, u64, Vec<String>), Measured>,
);

impl Deltas {
    /// A request counts.
    pub(super) fn add(&mut self, row: &RequestRow) {
        self.change(row, 1);
    }

    /// A request that was counted does not count any more.
    pub(super) fn subtract(&mut self, row: &RequestRow) {
        self.change(row, -1);
    }

    fn change(&mut self, row: &RequestRow, sign: i64) {
        let day = row.timing.started_ms / MS_PER_DAY;
        let change = measured(row).map(|value| value.saturating_mul(sign));
        let mut grow = |table, group: Vec<String>| {
            let sums = self.0.entry((table, day, group)).or_default();
            for (sum, change) in sums.iter_mut().zip(change) {
                *sum = sum.saturating_add(change);
            }
        };
        let own = |text: &Option<String>| text.clone().unwrap_or_default();
        let (identity, target) = (&row.identity, &row.target);
        let of = [
            identity.key_id.clone(),
            own(&identity.user_id),
            own(&identity.team_id),
            row.alias.clone(),
            own(&target.provider),
            own(&target.model),
        ];
        grow(Table::Spend, of.into());
        let of = [
            own(&identity.end_user),
            identity.key_id.clone(),
            own(&target.provider),
            own(&target.model),
        ];
        grow(Table::ByCustomer, of.into());
        let tags: BTreeSet<_> = row.tags.iter().filter_map(|t| clipped_tag(t)).collect();
        for tag in tags {
            grow(Table::ByTag, vec![tag.to_owned()]);
        }
    }

    /// Changes the sums.
    pub(super) async fn write(self, session: &mut Session) -> Result<(), LedgerError> {
        for table in Table::ALL {
            let changed = self.0.iter().filter(|((of, ..), measured)| {
                *of == table && measured.iter().any(|change| *change != 0)
            });
            let rows =
                changed.map(|((_, day, group), measured)| columns(table, *day, group, measured));
            let rows = Rows::new(table.name(), OnConflict::Add(&MEASURES), rows);
            session.insert(rows).await?;
        }
        Ok(())
    }
}

fn columns(table: Table, day: u64, group: &[String], measured: &Measured) -> Vec<Named> {
    let mut columns = vec![("id", Value::from(id(day, group))), ("day", day.into())];
    let named = table.columns().iter().zip(group);
    columns.extend(named.map(|(name, value)| (*name, text(value))));
    let measures = MEASURES.iter().zip(measured);
    columns.extend(measures.map(|(name, value)| (*name, Value::Int(Some(*value)))));
    columns
}

/// The same for the same group, and short: databases do not like long keys, and clients may write
/// long names.
fn id(day: u64, group: &[String]) -> String {
    let mut hash = Sha256::new();
    hash.update(day.to_le_bytes());
    for part in group {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    hex::encode(digest.get(..16).unwrap_or_default())
}

fn measured(row: &RequestRow) -> Measured {
    let usage = &row.charge.usage;
    [
        1,
        i64::from(row.state != State::Complete),
        i64::from(row.charge.cost.is_none()),
        units(usage.input_tokens),
        units(usage.cached_tokens),
        units(usage.cache_write_tokens),
        units(usage.audio_input_tokens),
        units(usage.output_tokens),
        units(usage.reasoning_tokens),
        units(usage.audio_output_tokens),
        units(usage.images),
        units(usage.audio_ms),
        units(usage.characters),
        row.charge.cost.map_or(0, nanos),
    ]
}

impl Totals {
    /// Out of one value per measure.
    pub(super) fn of(measured: [u64; MEASURES.len()]) -> Self {
        let [
            requests,
            incomplete,
            unpriced,
            input_tokens,
            cached_tokens,
            cache_write_tokens,
            audio_input_tokens,
            output_tokens,
            reasoning_tokens,
            audio_output_tokens,
            images,
            audio_ms,
            characters,
            cost,
        ] = measured;
        Self {
            requests,
            incomplete,
            unpriced,
            usage: Usage {
                input_tokens,
                cached_tokens,
                cache_write_tokens,
                audio_input_tokens,
                output_tokens,
                reasoning_tokens,
                audio_output_tokens,
                images,
                audio_ms,
                characters,
                image_output_tokens: 0,
            },
            cost: dragoman_policy::NanoDollars::new(cost),
        }
    }
}
