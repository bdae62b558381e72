//! What the store holds: virtual keys, teams, users, memberships and budget templates.

use std::collections::BTreeMap;

use dragoman_policy::{KeyHash, Terms, UnixMillis};
use serde_json::{Map, Value};

/// A key that an operator handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualKey {
    /// The hash in hex of the key as it was first made. It stays when the key is regenerated.
    pub id: String,
    /// The hash of the key of now.
    pub token: KeyHash,
    /// What may be shown of the key: `sk-...abcd`.
    pub name: String,
    /// A name for people, unlike that of any other key.
    pub alias: Option<String>,
    /// Whose it is.
    pub user_id: Option<String>,
    /// The team that it belongs to.
    pub team_id: Option<String>,
    /// What it may do.
    pub profile: Profile,
    /// The endpoints that it may use, as LiteLLM lists them; empty means all.
    pub routes: Vec<String>,
    /// From when on it is no longer valid.
    pub expires: Option<UnixMillis>,
    /// How often it was regenerated.
    pub rotations: u64,
    /// When it was last.
    pub rotated_at: Option<UnixMillis>,
    /// When and by whom it was made and changed.
    pub stamp: Stamp,
}

/// People who share budgets and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Names it.
    pub id: String,
    /// A name for people.
    pub alias: Option<String>,
    /// What its keys may do.
    pub profile: Profile,
    /// When and by whom it was made and changed.
    pub stamp: Stamp,
}

/// A person or a program that has keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Names it.
    pub id: String,
    /// A name for people.
    pub alias: Option<String>,
    /// Its address.
    pub email: Option<String>,
    /// Its role in LiteLLM's sense; kept, but without a meaning here.
    pub role: Option<String>,
    /// What its keys may do.
    pub profile: Profile,
    /// When and by whom it was made and changed.
    pub stamp: Stamp,
}

/// A user in a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The team.
    pub team_id: String,
    /// The user.
    pub user_id: String,
    /// `admin` or `user`.
    pub role: String,
    /// The template of the member's own terms in the team.
    pub budget_id: Option<String>,
    /// Since when.
    pub created_at: UnixMillis,
}

/// Terms that several keys, teams, users and members have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetTemplate {
    /// Names it.
    pub id: String,
    /// The terms.
    pub terms: Terms,
    /// When and by whom it was made and changed.
    pub stamp: Stamp,
}

/// What keys, teams and users have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The models that may be used, as LiteLLM lists them; empty means all.
    pub models: Vec<String>,
    /// Own names of models.
    pub aliases: BTreeMap<String, String>,
    /// Anything, for the operator.
    pub metadata: Map<String, Value>,
    /// Tags of all requests.
    pub tags: Vec<String>,
    /// Whether it was blocked, where somebody said.
    pub blocked: Option<bool>,
    /// The template of what the terms leave open.
    pub budget_id: Option<String>,
    /// Budgets and limits.
    pub terms: Terms,
}

/// When and by whom something was made and changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// When it was made.
    pub created_at: UnixMillis,
    /// By whom.
    pub created_by: String,
    /// When it was last changed.
    pub updated_at: UnixMillis,
    /// By whom.
    pub updated_by: String,
    /// Grows with each change. A change is made only to the version that it was made of.
    pub version: u64,
}

impl Stamp {
    /// Made `now`, by `whom`.
    pub fn new(now: UnixMillis, whom: &str) -> Self {
        Self {
            created_at: now,
            created_by: whom.to_owned(),
            updated_at: now,
            updated_by: whom.to_owned(),
            version: 1,
        }
    }

    /// Changed `now`, by `whom`.
    pub fn change(&mut self, now: UnixMillis, whom: &str) {
        self.updated_at = now;
        whom.clone_into(&mut self.updated_by);
    }
}

/// A key with everything that decides what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The key.
    pub key: VirtualKey,
    /// Until when the hash stands for the key: set when the key was regenerated since.
    pub valid_until: Option<UnixMillis>,
    /// The key's team, when there is such a team.
    pub team: Option<Team>,
    /// The key's user, when there is such a user.
    pub user: Option<User>,
    /// The user as a member of the team.
    pub membership: Option<Membership>,
    /// The templates that any of these name.
    pub templates: Vec<BudgetTemplate>,
}

impl Grant {
    /// The terms of the template `id`.
    pub fn template(&self, id: Option<&str>) -> Option<&BudgetTemplate> {
        let id = id?;
        self.templates.iter().find(|template| template.id == id)
    }
}

/// Which keys; each field that is set narrows the selection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// With this alias.
    pub alias: Option<String>,
    /// Of this user.
    pub user_id: Option<String>,
    /// Of this team.
    pub team_id: Option<String>,
    /// With this hash.
    pub token: Option<KeyHash>,
}

/// Which users; each field that is set narrows the selection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// With this id.
    pub id: Option<String>,
    /// With this address.
    pub email: Option<String>,
    /// With this role.
    pub role: Option<String>,
}

/// Which memberships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipsOf<'a> {
    /// The members of a team.
    Team(&'a str),
    /// The teams of a user.
    User(&'a str),
    /// All.
    Everyone,
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// How many to leave out.
    pub offset: u64,
    /// How many at most.
    pub size: u32,
}

impl Slice {
    /// Everything.
    pub const ALL: Self = Self {
        offset: 0,
        size: u32::MAX,
    };
}

/// A part of a list, and how long the list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The part.
    pub items: Vec<T>,
    /// Of how many.
    pub total: u64,
}
