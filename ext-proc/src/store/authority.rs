//! The authority that knows the master key and the keys of a store.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use dragoman_policy::keys::{MASTER, RouteAccess};
use dragoman_policy::{
    AccountId, Credential, Holder, KeyHash, ModelAccess, Principal, Refusal, Scope, Terms,
    UnixMillis,
};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::async_trait;

use super::{Grant, KeyStore, Profile, StoreError, VirtualKey};
use crate::authority::{Authority, AuthorityError, Unavailable};
use crate::clock;

/// How long another replica's change of a key may go unnoticed.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// How long a key that another replica makes may go unnoticed by one that refused it before.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);
/// How long a request waits for the store: less than Envoy waits for the answer to it.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How long a store that failed is left alone: those who wait for it are told at once, instead of
/// one after the other.
const DOWN_FOR: Duration = Duration::from_millis(500);
/// Entries of the cache, so that guessing keys does not fill the memory.
const CAPACITY: usize = 20_000;
/// Loads of different keys at a time.
const STRIPES: usize = 64;

/// Knows the master key, and the keys of a store, which it remembers for a few seconds.
pub struct StoreAuthority {
    master: KeyHash,
    store: Arc<dyn KeyStore>,
    cache: RwLock<Cache>,
    /// Of several requests with a key that is not in the cache, one asks the store.
    loading: Vec<Mutex<()>>,
    now: fn() -> u64,
}

#[derive(Default)]
struct Cache {
    entries: HashMap<KeyHash, Entry>,
    /// Counts [`Authority::forget`], so that what was read before does not come back after.
    forgotten: u64,
    /// Until when the store is left alone, and what is wrong with it.
    down: Option<(Instant, Unavailable)>,
}

struct Entry {
    standing: Result<Arc<Standing>, Refusal>,
    until: Instant,
}

/// A key that is good, as long as its time lasts.
struct Standing {
    principal: Principal,
    expires: Option<UnixMillis>,
}

impl StoreAuthority {
    /// Knows the master key, by its hash, and the keys of `store`.
    pub fn new(master: KeyHash, store: Arc<dyn KeyStore>) -> Self {
        Self::at(master, store, clock::now_ms)
    }

    /// The same with another clock.
    pub(crate) fn at(master: KeyHash, store: Arc<dyn KeyStore>, now: fn() -> u64) -> Self {
        Self {
            master,
            store,
            cache: RwLock::default(),
            loading: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            now,
        }
    }

    fn cached(&self, hash: KeyHash) -> Option<Result<Arc<Standing>, Refusal>> {
        let cache = self
            .cache
            .read()
            .unwrap_or_else(|broken| broken.into_inner());
        let entry = cache.entries.get(&hash)?;
        (Instant::now() < entry.until).then(|| entry.standing.clone())
    }

    async fn load(&self, hash: KeyHash) -> Result<Result<Arc<Standing>, Refusal>, Unavailable> {
        let stripe = self.loading.get(usize::from(hash.first_byte()) % STRIPES);
        let _alone = match stripe {
            Some(stripe) => Some(stripe.lock().await),
            None => None,
        };
        if let Some(standing) = self.cached(hash) {
            return Ok(standing);
        }
        if let Some(unavailable) = self.down() {
            return Err(unavailable);
        }
        let forgotten = self.forgotten();
        let granted = tokio::time::timeout(PATIENCE, self.store.grant(hash)).await;
        let granted = match granted {
            Ok(Ok(granted)) => granted,
            Ok(Err(error)) => return Err(self.failed(Some(error))),
            Err(_) => return Err(self.failed(None)),
        };
        let standing = match granted {
            Some(grant) => standing(&grant).map(Arc::new),
            None => Err(Refusal::UnknownKey),
        };
        self.remember(hash, &standing, forgotten);
        Ok(standing)
    }

    fn down(&self) -> Option<Unavailable> {
        let cache = self
            .cache
            .read()
            .unwrap_or_else(|broken| broken.into_inner());
        let (until, unavailable) = cache.down?;
        (Instant::now() < until).then_some(unavailable)
    }

    /// Notes that the store failed; `None` when it did not answer. The reason is for the log: it may
    /// name hosts and files.
    fn failed(&self, error: Option<StoreError>) -> Unavailable {
        let unavailable = match error {
            Some(error) => {
                tracing::error!(%error, "keys cannot be checked");
                Unavailable::from(error)
            }
            None => {
                tracing::error!("keys cannot be checked: the database does not answer");
                Unavailable {
                    dependency: self.store.name(),
                }
            }
        };
        let mut cache = self
            .cache
            .write()
            .unwrap_or_else(|broken| broken.into_inner());
        cache.down = Some((Instant::now() + DOWN_FOR, unavailable));
        unavailable
    }

    fn forgotten(&self) -> u64 {
        self.cache
            .read()
            .unwrap_or_else(|broken| broken.into_inner())
            .forgotten
    }

    fn remember(&self, hash: KeyHash, standing: &Result<Arc<Standing>, Refusal>, forgotten: u64) {
        let mut cache = self
            .cache
            .write()
            .unwrap_or_else(|broken| broken.into_inner());
        if cache.forgotten != forgotten {
            return;
        }
        let now = Instant::now();
        if cache.entries.len() >= CAPACITY {
            cache.entries.retain(|_, entry| now < entry.until);
        }
        if cache.entries.len() >= CAPACITY {
            cache.entries.clear();
        }
        let time = if standing.is_ok() {
            KNOWN_FOR
        } else {
            UNKNOWN_FOR
        };
        let entry = Entry {
            standing: standing.clone(),
            until: now + time,
        };
        cache.entries.insert(hash, entry);
    }
}

#[async_trait]
impl Authority for StoreAuthority {
    async fn authenticate(&self, credential: &Credential) -> Result<Principal, AuthorityError> {
        let hash = credential.hash();
        // hashes are compared, in constant time: neither length nor prefix of the key shows
        if hash == self.master {
            return Ok(Principal::master());
        }
        let standing = match self.cached(hash) {
            Some(standing) => standing,
            None => self.load(hash).await?,
        };
        let standing = standing.map_err(AuthorityError::Refused)?;
        if standing.expires.is_some_and(|end| end.0 <= (self.now)()) {
            return Err(Refusal::ExpiredKey.into());
        }
        Ok(standing.principal.clone())
    }

    async fn known(&self, key_id: &str) -> Result<Option<Principal>, Unavailable> {
        if key_id == MASTER {
            return Ok(Some(Principal::master()));
        }
        let Some(hash) = KeyHash::parse(key_id) else {
            return Ok(None);
        };
        let grant = self.store.grant(hash).await?;
        Ok(grant.as_ref().map(principal))
    }

    fn forget(&self) {
        let mut cache = self
            .cache
            .write()
            .unwrap_or_else(|broken| broken.into_inner());
        cache.entries.clear();
        cache.forgotten += 1;
    }
}

impl std::fmt::Debug for StoreAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreAuthority").finish_non_exhaustive()
    }
}

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        let dependency = match error {
            StoreError::Unavailable { dependency, .. } => dependency,
            StoreError::Migration(_)
            | StoreError::File(_)
            | StoreError::Taken(_)
            | StoreError::Stale
            | StoreError::Corrupt(_) => "the database of keys",
        };
        Self { dependency }
    }
}

/// What the holder of a key may do, or why nothing.
fn standing(grant: &Grant) -> Result<Standing, Refusal> {
    let blocked = |blocked: Option<bool>| blocked == Some(true);
    if blocked(grant.key.profile.blocked) {
        return Err(Refusal::BlockedKey);
    }
    if grant
        .team
        .as_ref()
        .is_some_and(|team| blocked(team.profile.blocked))
    {
        return Err(Refusal::BlockedOwner("team"));
    }
    if grant
        .user
        .as_ref()
        .is_some_and(|user| blocked(user.profile.blocked))
    {
        return Err(Refusal::BlockedOwner("user"));
    }
    let ends = [grant.key.expires, grant.valid_until];
    Ok(Standing {
        principal: principal(grant),
        expires: ends.into_iter().flatten().min(),
    })
}

fn principal(grant: &Grant) -> Principal {
    let key = &grant.key;
    let team = grant.team.as_ref().map(|team| &team.profile);
    let mut aliases = team.map(|team| team.aliases.clone()).unwrap_or_default();
    aliases.extend(key.profile.aliases.clone());
    let profiles = [Some(&key.profile), team];
    let mut tags: Vec<String> = profiles.into_iter().flatten().flat_map(tags_of).collect();
    let mut seen = std::collections::HashSet::new();
    tags.retain(|tag| seen.insert(tag.clone()));
    Principal {
        key_id: key.id.clone(),
        team_id: key.team_id.clone(),
        user_id: key.user_id.clone(),
        models: models(grant),
        routes: routes(key),
        aliases,
        tags,
        holders: holders(grant),
        is_master: false,
    }
}

/// The endpoints that a key may use. What no longer reads allows nothing.
fn routes(key: &VirtualKey) -> RouteAccess {
    RouteAccess::from_list(&key.routes).unwrap_or_else(|_| RouteAccess::Only(Vec::new()))
}

/// The tags of a profile: also those in its metadata, where LiteLLM's clients put them.
fn tags_of(profile: &Profile) -> impl Iterator<Item = String> {
    let in_metadata = profile
        .metadata
        .get("tags")
        .and_then(|tags| tags.as_array());
    let in_metadata = in_metadata
        .into_iter()
        .flatten()
        .filter_map(|tag| tag.as_str());
    let own = profile.tags.iter().map(String::as_str);
    own.chain(in_metadata).map(str::to_owned)
}

/// The key's models, within those of its team. A key without a team is within those of its user:
/// as in LiteLLM, a user's own models are for the user's own keys.
fn models(grant: &Grant) -> ModelAccess {
    let read = |models: &[String]| ModelAccess::from_list(models, &ModelAccess::All);
    let own = &grant.key.profile.models;
    if let Some(team) = &grant.team {
        let team = read(&team.profile.models);
        return ModelAccess::from_list(own, &team).and(team);
    }
    // where there is no team, all of its models are none
    let none = read(&["no-default-models".to_owned()]);
    let own = ModelAccess::from_list(own, &none);
    match (&grant.key.team_id, &grant.user) {
        (None, Some(user)) => own.and(read(&user.profile.models)),
        _ => own,
    }
}

/// Whose terms bind the key. As in LiteLLM, the budget of a user is for the user's own keys: in a
/// team, the team's and the membership's hold. The limits of a user bind all of the user's keys.
fn holders(grant: &Grant) -> Vec<Holder> {
    let with_template = |terms: &Terms, id: Option<&str>| match grant.template(id) {
        Some(template) => terms.clone().or(&template.terms),
        None => terms.clone(),
    };
    let key = &grant.key;
    let mut holders = vec![Holder {
        account: AccountId::new(Scope::Key, &key.id),
        since: key.stamp.created_at,
        terms: with_template(&key.profile.terms, key.profile.budget_id.as_deref()),
    }];
    if let Some(user) = &grant.user {
        let profile = &user.profile;
        let mut terms = with_template(&profile.terms, profile.budget_id.as_deref());
        if key.team_id.is_some() {
            terms.max_budget = None;
            terms.soft_budget = None;
            terms.model_max_budget.clear();
        }
        holders.push(Holder {
            account: AccountId::new(Scope::User, &user.id),
            since: user.stamp.created_at,
            terms,
        });
    }
    if let Some(team) = &grant.team {
        let profile = &team.profile;
        holders.push(Holder {
            account: AccountId::new(Scope::Team, &team.id),
            since: team.stamp.created_at,
            terms: with_template(&profile.terms, profile.budget_id.as_deref()),
        });
    }
    if let Some(member) = &grant.membership {
        holders.push(Holder {
            account: AccountId::team_member(&member.team_id, &member.user_id),
            since: member.created_at,
            terms: with_template(&Terms::default(), member.budget_id.as_deref()),
        });
    }
    holders
}

#[cfg(test)]
mod tests;
