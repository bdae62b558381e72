//! `/key/*`.

use axum::Json;
use axum::extract::{Path, State};
use dragoman_policy::{AccountId, Credential, Refusal, Scope, Span, UnixMillis};
use dragoman_proto::ApiError;
use serde::Serialize;

use super::super::{Caller, Failure, Master};
use super::edit_key::{edit, set_blocked};
use super::fields::{Asked, Fields, MaybeFields, wrong};
use super::reply::{GeneratedKey, ShownKey, Spent};
use super::{AUTHOR, Manage, TRIES, hash, unknown};
use crate::store::{KeyFilter, NewKey, Profile, Slice, Stamp, StoreError, VirtualKey};

const DEFAULT_ROWS: u32 = 10;
/// What a list of keys can be asked by.
const LISTED_BY: [&str; 7] = [
    "page",
    "size",
    "key_alias",
    "user_id",
    "team_id",
    "key_hash",
    "return_full_object",
];

#[derive(Serialize)]
pub(super) struct Updated {
    key: String,
    #[serde(flatten)]
    shown: ShownKey,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored_fields: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Info {
    key: String,
    info: ShownKey,
}

#[derive(Serialize)]
pub(super) struct Deleted {
    deleted_keys: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct KeyList {
    keys: Vec<ListedKey>,
    total_count: u64,
    current_page: u32,
    total_pages: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ListedKey {
    Hash(String),
    Full(Box<ShownKey>),
}

/// `POST /key/generate`. A key that the operator chose and that exists already is shown as it is.
pub(super) async fn generate(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<GeneratedKey>, Failure> {
    let secret = manage.new_secret(&fields, "key").await?;
    if let Some(existing) = manage.store.key(secret.hash()).await? {
        return Ok(Json(manage.generated(&secret, &existing, &fields).await?));
    }
    let key = manage.made(&secret, &fields)?;
    manage.add_key(&key).await?;
    Ok(Json(manage.generated(&secret, &key, &fields).await?))
}

/// `POST /key/update`: what is given changes, null takes away.
pub(super) async fn update(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<Updated>, Failure> {
    manage.change_key(&fields, edit).await
}

/// `POST /key/block`.
pub(super) async fn block(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<Updated>, Failure> {
    manage
        .change_key(&fields, |key, _, _| set_blocked(key, true))
        .await
}

/// `POST /key/unblock`.
pub(super) async fn unblock(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<Updated>, Failure> {
    manage
        .change_key(&fields, |key, _, _| set_blocked(key, false))
        .await
}

/// `POST /key/delete`, by `keys` (keys or hashes) or `key_aliases`.
pub(super) async fn delete(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<Deleted>, Failure> {
    let keys = fields.texts("keys")?.value().unwrap_or_default();
    let aliases = fields.texts("key_aliases")?.value().unwrap_or_default();
    if keys.is_empty() && aliases.is_empty() {
        let message = "`keys` or `key_aliases` must name at least one key".to_owned();
        return Err(wrong("keys", message).into());
    }
    let mut deleted_keys = Vec::new();
    for name in keys {
        if let Some(key) = manage.store.key(hash(&name)).await? {
            manage.delete_key(&key).await?;
            deleted_keys.push(name);
        }
    }
    for alias in aliases {
        let filter = KeyFilter {
            alias: Some(alias.clone()),
            ..KeyFilter::default()
        };
        for key in manage.store.keys(&filter, Slice::ALL).await?.items {
            manage.delete_key(&key).await?;
            deleted_keys.push(alias.clone());
        }
    }
    if deleted_keys.is_empty() {
        return Err(unknown("key", "keys"));
    }
    Ok(Json(Deleted { deleted_keys }))
}

/// `POST /key/regenerate`, with the key in the body.
pub(super) async fn regenerate(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<GeneratedKey>, Failure> {
    let name = fields.required("key")?;
    Ok(Json(manage.rotate(&name, &fields).await?))
}

/// `POST /key/{key}/regenerate`.
pub(super) async fn regenerate_named(
    State(manage): State<Manage>,
    Path(name): Path<String>,
    _: Master,
    MaybeFields(fields): MaybeFields,
) -> Result<Json<GeneratedKey>, Failure> {
    Ok(Json(manage.rotate(&name, &fields).await?))
}

/// `GET /key/info`: of `?key=`, or of the caller's own key, which is all that a caller without the
/// master key may see.
pub(super) async fn info(
    State(manage): State<Manage>,
    Caller(principal): Caller,
    asked: Asked,
) -> Result<Json<Info>, Failure> {
    let name = asked
        .text("key")
        .unwrap_or_else(|| principal.key_id.clone());
    let key = manage.store.key(hash(&name)).await?;
    let own = key.as_ref().is_some_and(|key| key.id == principal.key_id);
    if !own && !principal.is_master {
        return Err(Refusal::MasterOnly.into());
    }
    let key = key.ok_or_else(|| unknown("key", "key"))?;
    let info = manage.shown_key(&key).await?;
    Ok(Json(Info { key: name, info }))
}

/// `GET /key/list`: hashes, or with `return_full_object=true` all that is known; the newest first.
pub(super) async fn list(
    State(manage): State<Manage>,
    _: Master,
    asked: Asked,
) -> Result<Json<KeyList>, Failure> {
    let page = asked.page("size", DEFAULT_ROWS)?;
    asked.note_ignored(&LISTED_BY);
    let filter = KeyFilter {
        alias: asked.text("key_alias"),
        user_id: asked.text("user_id"),
        team_id: asked.text("team_id"),
        token: asked.text("key_hash").map(|name| hash(&name)),
    };
    let listed = manage.store.keys(&filter, page.slice()).await?;
    let keys = if asked.flag("return_full_object") {
        let shown = manage.shown_keys(&listed.items).await?.into_iter();
        shown.map(|key| ListedKey::Full(Box::new(key))).collect()
    } else {
        let hashes = listed.items.iter().map(|key| key.token.to_hex());
        hashes.map(ListedKey::Hash).collect()
    };
    Ok(Json(KeyList {
        keys,
        total_count: listed.total,
        current_page: page.number,
        total_pages: page.count(listed.total),
    }))
}

impl Manage {
    /// The key that a request chose, or a random one.
    pub(super) async fn new_secret(&self, fields: &Fields, name: &str) -> Result<NewKey, Failure> {
        let Some(chosen) = fields.text(name)?.value() else {
            return NewKey::random().map_err(|error| StoreError::File(error).into());
        };
        let message = "a key must be `sk-` and printable characters without spaces";
        let secret = NewKey::chosen(&chosen).ok_or_else(|| wrong(name, message.to_owned()))?;
        if self.is_master(&secret).await {
            let message = "the master key cannot be a virtual key too".to_owned();
            return Err(wrong(name, message).into());
        }
        Ok(secret)
    }

    async fn is_master(&self, secret: &NewKey) -> bool {
        let header = |name: &str| (name == "x-api-key").then(|| secret.expose());
        match Credential::from_headers(header) {
            Ok(credential) => {
                let principal = self.authority.authenticate(&credential).await;
                principal.is_ok_and(|principal| principal.is_master)
            }
            Err(_) => false,
        }
    }

    /// The key that a request describes.
    pub(super) fn made(&self, secret: &NewKey, fields: &Fields) -> Result<VirtualKey, Failure> {
        let now = self.now();
        let token = secret.hash();
        let mut key = VirtualKey {
            id: token.to_hex(),
            token,
            name: secret.name(),
            alias: None,
            user_id: None,
            team_id: None,
            profile: Profile::default(),
            routes: Vec::new(),
            expires: None,
            rotations: 0,
            rotated_at: None,
            stamp: Stamp::new(now, AUTHOR),
        };
        edit(&mut key, fields, now)?;
        Ok(key)
    }

    pub(super) async fn add_key(&self, key: &VirtualKey) -> Result<(), Failure> {
        self.template(key.profile.budget_id.as_deref()).await?;
        let added = self.store.add_key(key).await;
        self.authority.forget();
        Ok(added?)
    }

    pub(super) async fn delete_key(&self, key: &VirtualKey) -> Result<(), Failure> {
        let deleted = self.store.delete_key(&key.id).await;
        self.authority.forget();
        Ok(deleted?)
    }

    /// Changes the key that the field `key` names.
    async fn change_key(
        &self,
        fields: &Fields,
        change: impl Fn(&mut VirtualKey, &Fields, UnixMillis) -> Result<(), ApiError>,
    ) -> Result<Json<Updated>, Failure> {
        let name = fields.required("key")?;
        let mut tries = 1;
        let key = loop {
            let key = self.store.key(hash(&name)).await?;
            let mut key = key.ok_or_else(|| unknown("key", "key"))?;
            let had = key.profile.budget_id.clone();
            change(&mut key, fields, self.now())?;
            if key.profile.budget_id != had {
                self.template(key.profile.budget_id.as_deref()).await?;
            }
            key.stamp.change(self.now(), AUTHOR);
            let replaced = self.store.replace_key(&key).await;
            self.authority.forget();
            match replaced {
                Err(StoreError::Stale) if tries < TRIES => tries += 1,
                replaced => break replaced.map(|()| key)?,
            }
        };
        let shown = self.shown_key(&key).await?;
        Ok(Json(Updated {
            key: name,
            shown,
            ignored_fields: fields.ignored().to_vec(),
        }))
    }

    /// Gives the key that `name` names a new secret. The old one works for `grace_period` more.
    async fn rotate(&self, name: &str, fields: &Fields) -> Result<GeneratedKey, Failure> {
        let secret = self.new_secret(fields, "new_key").await?;
        let grace = fields.span("grace_period")?.value();
        let mut tries = 1;
        loop {
            let now = self.now();
            let key = self.store.key(hash(name)).await?;
            let mut key = key.ok_or_else(|| unknown("key", "key"))?;
            edit(&mut key, fields, now)?;
            self.template(key.profile.budget_id.as_deref()).await?;
            key.token = secret.hash();
            key.name = secret.name();
            key.rotations += 1;
            key.rotated_at = Some(now);
            key.stamp.change(now, AUTHOR);
            let old_until = grace.map_or(now, |grace: Span| grace.after(now));
            let rotated = self.store.rotate_key(&key, old_until).await;
            self.authority.forget();
            match rotated {
                Err(StoreError::Stale) if tries < TRIES => tries += 1,
                Err(StoreError::Taken(crate::store::Unique::Id)) => {
                    let message = "`new_key` is or was another key".to_owned();
                    return Err(wrong("new_key", message).into());
                }
                rotated => {
                    rotated?;
                    return self.generated(&secret, &key, fields).await;
                }
            }
        }
    }

    async fn generated(
        &self,
        secret: &NewKey,
        key: &VirtualKey,
        fields: &Fields,
    ) -> Result<GeneratedKey, Failure> {
        Ok(GeneratedKey {
            key: secret.expose().to_owned(),
            token_id: key.token.to_hex(),
            duration: None,
            shown: self.shown_key(key).await?,
            ignored_fields: fields.ignored().to_vec(),
        })
    }

    async fn shown_key(&self, key: &VirtualKey) -> Result<ShownKey, Failure> {
        let shown = self.shown_keys(std::slice::from_ref(key)).await?;
        shown
            .into_iter()
            .next()
            .ok_or_else(|| unknown("key", "key"))
    }

    /// Keys with their templates and what they spent.
    pub(super) async fn shown_keys(&self, keys: &[VirtualKey]) -> Result<Vec<ShownKey>, Failure> {
        let now = self.now();
        let accounts: Vec<_> = keys
            .iter()
            .map(|key| {
                let account = AccountId::new(Scope::Key, &key.id);
                (account, &key.profile.terms, key.stamp.created_at)
            })
            .collect();
        let spent = self.spent_by(&accounts).await?;
        let templated = keys.iter().any(|key| key.profile.budget_id.is_some());
        let templates = if templated {
            self.store.templates().await?
        } else {
            Vec::new()
        };
        let template = |key: &VirtualKey| {
            let id = key.profile.budget_id.as_ref()?;
            templates.iter().find(|template| template.id == *id)
        };
        let spent = spent.into_iter().chain(std::iter::repeat(Spent::NOTHING));
        let shown = keys
            .iter()
            .zip(spent)
            .map(|(key, spent)| ShownKey::new(key, template(key), spent, now));
        Ok(shown.collect())
    }
}
