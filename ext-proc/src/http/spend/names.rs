//! Keys, teams and users by name, where there is a store that knows them.

use std::collections::HashMap;

use dragoman_policy::{KeyHash, UnixMillis};

use super::{Failure, Spending};
use crate::clock;
use crate::store::{MembershipsOf, User, VirtualKey};

impl Spending {
    /// The identity under which the ledger has a key. `key` is the key, its hash of now or of before
    /// a regeneration, or such an identity.
    pub(super) async fn key_id(&self, key: &str) -> Result<String, Failure> {
        let hash = match KeyHash::parse(key) {
            Some(hash) => hash,
            None if key.starts_with("sk-") => KeyHash::of(key),
            None => return Ok(key.to_owned()),
        };
        let known = match &self.keys {
            Some(keys) => keys.key(hash).await?,
            None => None,
        };
        Ok(known.map_or_else(|| hash.to_hex(), |key| key.id))
    }

    /// The key of an identity; `None` for the master key and for one that is deleted.
    pub(super) async fn key(&self, id: &str) -> Result<Option<VirtualKey>, Failure> {
        match (&self.keys, KeyHash::parse(id)) {
            (Some(keys), Some(hash)) => Ok(keys.key(hash).await?),
            _ => Ok(None),
        }
    }

    /// A user, and the teams that it is in.
    pub(super) async fn user(&self, id: &str) -> Result<Option<(User, Vec<String>)>, Failure> {
        let Some(keys) = &self.keys else {
            return Ok(None);
        };
        let Some(user) = keys.user(id).await? else {
            return Ok(None);
        };
        let memberships = keys.memberships(MembershipsOf::User(id)).await?;
        let teams = memberships.into_iter().map(|of| of.team_id).collect();
        Ok(Some((user, teams)))
    }

    /// The time.
    pub(super) fn now(&self) -> UnixMillis {
        UnixMillis(clock::now_ms())
    }

    /// The aliases of teams, by id.
    pub(super) async fn team_names(&self) -> Result<HashMap<String, String>, Failure> {
        let Some(keys) = &self.keys else {
            return Ok(HashMap::new());
        };
        let teams = keys.teams().await?.into_iter();
        Ok(teams
            .filter_map(|team| Some((team.id, team.alias?)))
            .collect())
    }
}
