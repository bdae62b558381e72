//! Questions to the ledger: which requests, how many of them, summed by what.

use dragoman_policy::NanoDollars;
use dragoman_proto::Usage;

/// Which requests; each field that is set narrows the selection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Of this request id.
    pub request_id: Option<String>,
    /// Of this key.
    pub key_id: Option<String>,
    /// Of this user.
    pub user_id: Option<String>,
    /// Of this team.
    pub team_id: Option<String>,
    /// For this alias.
    pub alias: Option<String>,
    /// Answered by this provider.
    pub provider: Option<String>,
    /// Begun at this time or later; milliseconds since the epoch.
    pub from_ms: Option<u64>,
    /// Begun before this time; milliseconds since the epoch.
    pub until_ms: Option<u64>,
    /// Ended at this time or later; milliseconds since the epoch. Asked of the requests one by one, never of sums by day.
    pub ended_from_ms: Option<u64>,
    /// Leave out the rows that are not for people.
    pub listed_only: bool,
}

impl RequestFilter {
    /// What is asked of columns that sums have too.
    pub(super) fn columns(&self) -> [(&'static str, Option<&String>); 5] {
        [
            ("key_id", self.key_id.as_ref()),
            ("user_id", self.user_id.as_ref()),
            ("team_id", self.team_id.as_ref()),
            ("alias", self.alias.as_ref()),
            ("provider", self.provider.as_ref()),
        ]
    }
}

/// A page of requests, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How many rows at most.
    pub size: u32,
    /// Where the page before ended; `None` for the first page.
    pub after: Option<Cursor>,
}

/// A place in the list of requests. Stays right while rows are added, and costs the same on the
/// first page and the thousandth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// `started_ms` of the last row of the page before.
    pub started_ms: u64,
    /// Its request id.
    pub request_id: String,
}

/// What totals are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// Key id.
    Key,
    /// User id; requests of keys without a user are under `None`.
    User,
    /// Team id.
    Team,
    /// The end user that the client named; `None` where it named none.
    Customer,
    /// The alias that the client asked for.
    Alias,
    /// Provider and its model, as `provider/model`.
    ProviderModel,
    /// Tag; requests without one are not counted.
    Tag,
    /// UTC day, as `2026-11-20`.
    Day,
}

/// Sums over requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many.
    pub requests: u64,
    /// Of these: did not end complete.
    pub incomplete: u64,
    /// Of these: used something that has no price; their cost is in no sum.
    pub unpriced: u64,
    /// What they used.
    pub usage: Usage,
    /// What the priced ones cost.
    pub cost: NanoDollars,
}

/// Sums as they were at some moment, and when that was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The sums.
    pub totals: Totals,
    /// Requests up to this [`Ledger::position`] are in them, and none behind it.
    ///
    /// [`Ledger::position`]: super::Ledger::position
    pub position: u64,
}

/// Sums over the requests of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// One name for each thing that is grouped by; `None` for requests that belong to none.
    pub groups: Vec<Option<String>>,
    /// Its sums.
    pub totals: Totals,
}

/// What is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// Only rows that are not for people.
    Transient,
    /// Every row.
    All,
}
