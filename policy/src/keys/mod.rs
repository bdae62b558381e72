//! Who is asking: credentials, hashes of keys, and what a key may use.

use std::collections::BTreeMap;
use std::fmt;

use dragoman_proto::Operation;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

mod access;
mod routes;
#[cfg(test)]
mod tests;

pub use access::ModelAccess;
pub use routes::{Route, RouteAccess, UnknownRoute};

use crate::budget::BudgetRef;
use crate::limits::LimitRef;
use crate::refusal::Refusal;
use crate::terms::Holder;
use crate::time::UnixMillis;

/// The identity of the master key where a key's hash would stand.
pub const MASTER: &str = "master";

/// Headers that may carry a key, in the order in which they are asked. None of them goes on to a
/// provider.
pub const CREDENTIAL_HEADERS: [&str; 5] = [
    "x-litellm-api-key",
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
];

/// A key as a client sent it. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(String);

impl Credential {
    /// Finds the key among a request's headers; `get` looks a header up by its lower-case name.
    ///
    /// `Authorization` must be of the scheme `Bearer` (in any case); `x-litellm-api-key` may be; the
    /// others hold the bare key. A header that holds no key is passed over when another does.
    pub fn from_headers<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Refusal> {
        let mut malformed = false;
        for name in CREDENTIAL_HEADERS {
            let Some(value) = get(name).map(str::trim).filter(|v| !v.is_empty()) else {
                continue;
            };
            let key = match (name, bearer(value)) {
                ("authorization", None) => None,
                (_, Some(key)) => Some(key),
                (_, None) => Some(value),
            };
            match key.filter(|key| is_plausible(key)) {
                Some(key) => return Ok(Self(key.to_owned())),
                None => malformed = true,
            }
        }
        Err(if malformed {
            Refusal::MalformedKey
        } else {
            Refusal::NoKey
        })
    }

    /// The key itself.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Its hash.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn is_plausible(key: &str) -> bool {
    !key.is_empty() && key.len() <= 1_024 && key.bytes().all(|b| b.is_ascii_graphic())
}

/// SHA-256 of a whole key, which is all that is stored of it: in hex it is LiteLLM's `token`.
///
/// Comparison takes the same time wherever two hashes differ.
#[derive(Clone, Copy, Eq)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of `key`.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Reads 64 hex digits.
    pub fn parse(hex: &str) -> Option<Self> {
        if hex.len() != 64 {
            return None;
        }
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let [high, low] = *pair else { return None };
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Some(Self(hash))
    }

    /// Its first byte, which is as good as random.
    pub const fn first_byte(&self) -> u8 {
        self.0[0]
    }

    /// 64 lower-case hex digits.
    pub fn to_hex(self) -> String {
        self.to_string()
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::hash::Hash for KeyHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

/// Who is asking, and what they may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The hash in hex of the key as it was first made, or [`MASTER`]. It stays when the key is
    /// regenerated, and so do the key's spend and budgets.
    pub key_id: String,
    /// The key's team.
    pub team_id: Option<String>,
    /// The key's user.
    pub user_id: Option<String>,
    /// The models that the key may use.
    pub models: ModelAccess,
    /// The endpoints that the key may use.
    pub routes: RouteAccess,
    /// Models that have another name for this key: what it calls them, and what they are.
    pub aliases: BTreeMap<String, String>,
    /// Tags of all its requests.
    pub tags: Vec<String>,
    /// Whose budgets and limits apply: the key, its user, its team, its user as a member of it.
    pub holders: Vec<Holder>,
    /// Whether it is the master key, which may also manage.
    pub is_master: bool,
}

impl Principal {
    /// The holder of the master key.
    pub fn master() -> Self {
        Self {
            key_id: MASTER.to_owned(),
            team_id: None,
            user_id: None,
            models: ModelAccess::All,
            routes: RouteAccess::All,
            aliases: BTreeMap::new(),
            tags: Vec::new(),
            holders: Vec::new(),
            is_master: true,
        }
    }

    /// What `model` is, which the key may call otherwise.
    pub fn resolve<'a>(&'a self, model: &'a str) -> &'a str {
        self.aliases.get(model).map_or(model, String::as_str)
    }

    /// Refuses an operation that the key may not use.
    pub fn authorize_operation(&self, operation: Operation) -> Result<(), Refusal> {
        if self.routes.allows(operation) {
            Ok(())
        } else {
            let path = format!("/v1{}", operation.path());
            Err(Refusal::RouteNotAllowed { path })
        }
    }

    /// Refuses an endpoint of the service itself that the key may not use.
    pub fn authorize_path(&self, path: &str) -> Result<(), Refusal> {
        if self.routes.allows_path(path) {
            Ok(())
        } else {
            let path = path.to_owned();
            Err(Refusal::RouteNotAllowed { path })
        }
    }

    /// Refuses a model that the key may not use. A name of the key's own may be used when what it
    /// stands for may.
    pub fn authorize(&self, model: &str) -> Result<(), Refusal> {
        if self.models.allows(model) || self.models.allows(self.resolve(model)) {
            Ok(())
        } else {
            Err(Refusal::ModelNotAllowed {
                model: model.to_owned(),
            })
        }
    }

    /// The budgets that apply to a request for `model`, in the windows of `now`.
    pub fn budgets(&self, model: &str, now: UnixMillis) -> Vec<BudgetRef> {
        let budgets = |holder: &Holder| holder.budgets(model, now);
        self.holders.iter().flat_map(budgets).collect()
    }

    /// The limits that apply to a request for `model`.
    pub fn limits(&self, model: &str) -> Vec<LimitRef> {
        let limits = |holder: &Holder| holder.limits(model);
        self.holders.iter().flat_map(limits).collect()
    }
}
