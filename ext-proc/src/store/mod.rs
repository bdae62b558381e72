//! The store of those who may ask: virtual keys, teams, users and budget templates.
//!
//! One implementation speaks SQL that SQLite and PostgreSQL both understand. Nothing here holds a
//! key itself: only its hash, and the four characters that its name shows.

mod authority;
mod entity;
mod row;
mod secret;
mod tables;

#[cfg(test)]
mod contract;

use dragoman_policy::{KeyHash, UnixMillis};
use tonic::async_trait;

use crate::database::DatabaseError;

pub use crate::database::Database;
pub use authority::StoreAuthority;
pub use entity::{
    BudgetTemplate, Grant, KeyFilter, Listed, Membership, MembershipsOf, Profile, Slice, Stamp,
    Team, User, UserFilter, VirtualKey,
};
pub use secret::NewKey;
pub use tables::SqlKeyStore;

/// Why the store does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is not there, is full, is locked …
    #[error("{dependency} cannot be used: {source}")]
    Unavailable {
        /// For people: what is missing.
        dependency: &'static str,
        /// For the log: it may name hosts and files.
        source: sqlx::Error,
    },
    /// The schema is newer than this binary, or a migration failed.
    #[error("the schema of the keys cannot be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The file of the database cannot be used.
    #[error("the file of the keys' database cannot be used: {0}")]
    File(#[from] std::io::Error),
    /// Another has it already.
    #[error("{0} is taken")]
    Taken(Unique),
    /// It was changed or deleted since it was read.
    #[error("it was changed at the same time")]
    Stale,
    /// A row holds what no version of this service wrote.
    #[error("column {0} does not read back")]
    Corrupt(&'static str),
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Unavailable { dependency, source } => match taken(&source) {
                Some(unique) => Self::Taken(unique),
                None => Self::Unavailable { dependency, source },
            },
            DatabaseError::Migration(error) => Self::Migration(error),
            DatabaseError::File(error) => Self::File(error),
            DatabaseError::Corrupt(column) => Self::Corrupt(column),
        }
    }
}

fn taken(error: &sqlx::Error) -> Option<Unique> {
    let error = error.as_database_error()?;
    if !error.is_unique_violation() {
        return None;
    }
    // SQLite names the column, PostgreSQL the index; the alias' index has both words
    let alias = error.message().contains("virtual_keys") && error.message().contains("alias");
    Some(if alias { Unique::KeyAlias } else { Unique::Id })
}

/// What no two may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unique {
    /// The id of a key, a team, a user or a template.
    Id,
    /// The alias of a key.
    KeyAlias,
}

impl std::fmt::Display for Unique {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Id => "the id",
            Self::KeyAlias => "the key alias",
        })
    }
}

/// Where keys, teams, users and templates are kept. Every backend passes the same contract suite.
///
/// What is replaced must be of the version that is stored, or it is [`StoreError::Stale`].
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// The key that `hash` stands or stood for, with what decides what it may do.
    async fn grant(&self, hash: KeyHash) -> Result<Option<Grant>, StoreError>;

    /// The key that `hash` stands or stood for.
    async fn key(&self, hash: KeyHash) -> Result<Option<VirtualKey>, StoreError>;

    /// Some keys, the newest first.
    async fn keys(
        &self,
        filter: &KeyFilter,
        slice: Slice,
    ) -> Result<Listed<VirtualKey>, StoreError>;

    /// Adds a key.
    async fn add_key(&self, key: &VirtualKey) -> Result<(), StoreError>;

    /// Changes a key, except its hash.
    async fn replace_key(&self, key: &VirtualKey) -> Result<(), StoreError>;

    /// Changes a key that has a new hash; those that it had before are valid until `old_until`.
    async fn rotate_key(&self, key: &VirtualKey, old_until: UnixMillis) -> Result<(), StoreError>;

    /// Deletes a key.
    async fn delete_key(&self, id: &str) -> Result<(), StoreError>;

    /// A team.
    async fn team(&self, id: &str) -> Result<Option<Team>, StoreError>;

    /// All teams, by id.
    async fn teams(&self) -> Result<Vec<Team>, StoreError>;

    /// Adds a team.
    async fn add_team(&self, team: &Team) -> Result<(), StoreError>;

    /// Changes a team.
    async fn replace_team(&self, team: &Team) -> Result<(), StoreError>;

    /// Deletes a team, its keys and its memberships.
    async fn delete_team(&self, id: &str) -> Result<(), StoreError>;

    /// Some users, the newest first.
    async fn users(&self, filter: &UserFilter, slice: Slice) -> Result<Listed<User>, StoreError>;

    /// A user.
    async fn user(&self, id: &str) -> Result<Option<User>, StoreError>;

    /// Adds a user.
    async fn add_user(&self, user: &User) -> Result<(), StoreError>;

    /// Changes a user.
    async fn replace_user(&self, user: &User) -> Result<(), StoreError>;

    /// Deletes a user, its keys and its memberships.
    async fn delete_user(&self, id: &str) -> Result<(), StoreError>;

    /// Who is in which team, in the order in which they joined.
    async fn memberships(&self, of: MembershipsOf<'_>) -> Result<Vec<Membership>, StoreError>;

    /// Adds a membership, or changes its role and terms.
    async fn put_membership(&self, membership: &Membership) -> Result<(), StoreError>;

    /// Ends a membership; whether there was one.
    async fn delete_membership(&self, team_id: &str, user_id: &str) -> Result<bool, StoreError>;

    /// A template.
    async fn template(&self, id: &str) -> Result<Option<BudgetTemplate>, StoreError>;

    /// All templates, the oldest first.
    async fn templates(&self) -> Result<Vec<BudgetTemplate>, StoreError>;

    /// Adds a template.
    async fn add_template(&self, template: &BudgetTemplate) -> Result<(), StoreError>;

    /// Changes a template.
    async fn replace_template(&self, template: &BudgetTemplate) -> Result<(), StoreError>;

    /// Deletes a template; who had it keeps only terms of its own.
    async fn delete_template(&self, id: &str) -> Result<(), StoreError>;

    /// Whether the database answers.
    async fn health(&self) -> Result<(), StoreError>;

    /// For people: what kind of database it is.
    fn name(&self) -> &'static str;
}
