//! `/user/*`.

use axum::Json;
use axum::extract::State;
use dragoman_policy::{AccountId, Scope};
use dragoman_proto::{ApiError, ErrorKind};
use serde::Serialize;

use super::super::{Failure, Master};
use super::fields::{Asked, Fields};
use super::reply::{ShownKey, ShownTeam, ShownUser};
use super::{AUTHOR, Manage, TRIES, new_id, profile, taken, unknown};
use crate::store::{
    KeyFilter, MembershipsOf, NewKey, Profile, Slice, Stamp, StoreError, Unique, User, UserFilter,
    VirtualKey,
};

const DEFAULT_ROWS: u32 = 25;

/// A new user, with the only sight of the key that comes with it.
#[derive(Serialize)]
pub(super) struct NewUser {
    #[serde(flatten)]
    user: ShownUser,
    key: String,
    token: Option<String>,
    token_id: Option<String>,
    key_name: Option<String>,
    key_alias: Option<String>,
    expires: Option<String>,
    duration: Option<String>,
}

#[derive(Serialize)]
pub(super) struct UserInfo {
    user_id: String,
    user_info: ShownUser,
    keys: Vec<ShownKey>,
    teams: Vec<ShownTeam>,
}

#[derive(Serialize)]
pub(super) struct Updated {
    user_id: String,
    data: ShownUser,
}

#[derive(Serialize)]
pub(super) struct UserList {
    users: Vec<ShownUser>,
    total: u64,
    page: u32,
    page_size: u32,
    total_pages: u64,
}

/// `POST /user/new`: a user, and unless `auto_create_key` is false a key of the user's.
pub(super) async fn new(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<NewUser>, Failure> {
    let mut user = User {
        id: fields.text("user_id")?.value().unwrap_or_else(new_id),
        alias: None,
        email: None,
        role: None,
        profile: Profile::default(),
        stamp: Stamp::new(manage.now(), AUTHOR),
    };
    edit(&mut user, &fields)?;
    manage.template(user.profile.budget_id.as_deref()).await?;
    let teams = fields.texts("teams")?.value().unwrap_or_default();
    for id in &teams {
        manage.team(id).await?;
    }
    let key = manage.key_of_new_user(&user, &fields).await?;
    match manage.store.add_user(&user).await {
        Err(StoreError::Taken(Unique::Id)) => {
            return Err(taken(ErrorKind::Conflict, "user", "user_id"));
        }
        added => added?,
    }
    if let Some((_, key)) = &key
        && let Err(failure) = manage.add_key(key).await
    {
        manage.store.delete_user(&user.id).await?;
        return Err(failure);
    }
    let member =
        Fields::parse(&serde_json::to_vec(&UserId { user_id: &user.id }).unwrap_or_default())?;
    for id in &teams {
        manage.add_member(id, &member, None).await?;
    }
    Ok(Json(new_user(manage.shown_user(&user).await?, key)))
}

#[derive(Serialize)]
struct UserId<'a> {
    user_id: &'a str,
}

/// `GET /user/info?user_id=`.
pub(super) async fn info(
    State(manage): State<Manage>,
    _: Master,
    asked: Asked,
) -> Result<Json<UserInfo>, Failure> {
    let user = manage.store.user(&asked.required("user_id")?).await?;
    let user = user.ok_or_else(|| unknown("user", "user_id"))?;
    let filter = KeyFilter {
        user_id: Some(user.id.clone()),
        ..KeyFilter::default()
    };
    let keys = manage.store.keys(&filter, Slice::ALL).await?.items;
    let mut teams = Vec::new();
    for of in manage
        .store
        .memberships(MembershipsOf::User(&user.id))
        .await?
    {
        if let Some(team) = manage.store.team(&of.team_id).await? {
            teams.push(manage.shown_team(&team).await?);
        }
    }
    Ok(Json(UserInfo {
        user_info: manage.shown_user(&user).await?,
        keys: manage.shown_keys(&keys).await?,
        teams,
        user_id: user.id,
    }))
}

/// `POST /user/update`, by `user_id` or `user_email`: what is given changes, null takes away.
pub(super) async fn update(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<Updated>, Failure> {
    let mut tries = 1;
    let user = loop {
        let user = manage.named_user(&fields).await?;
        let mut user = user.ok_or_else(|| unknown("user", "user_id"))?;
        edit(&mut user, &fields)?;
        manage.template(user.profile.budget_id.as_deref()).await?;
        user.stamp.change(manage.now(), AUTHOR);
        let replaced = manage.store.replace_user(&user).await;
        manage.authority.forget();
        match replaced {
            Err(StoreError::Stale) if tries < TRIES => tries += 1,
            replaced => break replaced.map(|()| user)?,
        }
    };
    let data = manage.shown_user(&user).await?;
    let user_id = user.id;
    Ok(Json(Updated { user_id, data }))
}

/// `POST /user/delete`: with the users' keys; how many there were.
pub(super) async fn delete(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<usize>, Failure> {
    let ids = fields.required_texts("user_ids")?;
    for id in &ids {
        let user = manage.store.user(id).await?;
        user.ok_or_else(|| unknown("user", "user_ids"))?;
    }
    for id in &ids {
        let deleted = manage.store.delete_user(id).await;
        manage.authority.forget();
        deleted?;
    }
    Ok(Json(ids.len()))
}

/// `GET /user/list`: the newest first, by `user_ids`, `user_email` or `role`.
pub(super) async fn list(
    State(manage): State<Manage>,
    _: Master,
    asked: Asked,
) -> Result<Json<UserList>, Failure> {
    let page = asked.page("page_size", DEFAULT_ROWS)?;
    let filter = UserFilter {
        id: asked.text("user_ids"),
        email: asked.text("user_email"),
        role: asked.text("role"),
    };
    let listed = manage.store.users(&filter, page.slice()).await?;
    let mut users = Vec::with_capacity(listed.items.len());
    for user in &listed.items {
        let keys = KeyFilter {
            user_id: Some(user.id.clone()),
            ..KeyFilter::default()
        };
        let keys = manage
            .store
            .keys(&keys, Slice { offset: 0, size: 0 })
            .await?;
        let mut shown = manage.shown_user(user).await?;
        shown.key_count = Some(keys.total);
        users.push(shown);
    }
    Ok(Json(UserList {
        users,
        total: listed.total,
        page: page.number,
        page_size: page.size,
        total_pages: page.count(listed.total),
    }))
}

impl Manage {
    pub(super) async fn shown_user(&self, user: &User) -> Result<ShownUser, Failure> {
        let memberships = self
            .store
            .memberships(MembershipsOf::User(&user.id))
            .await?;
        let teams = memberships.into_iter().map(|of| of.team_id).collect();
        let account = AccountId::new(Scope::User, &user.id);
        let (terms, since) = (&user.profile.terms, user.stamp.created_at);
        let spent = self.spent(&account, terms, since).await?;
        Ok(ShownUser::new(user, teams, spent, self.now()))
    }

    /// The key that comes with a user. Budgets and limits are the user's, not the key's.
    async fn key_of_new_user(
        &self,
        user: &User,
        fields: &Fields,
    ) -> Result<Option<(NewKey, VirtualKey)>, Failure> {
        if fields.flag("auto_create_key")?.value() == Some(false) {
            return Ok(None);
        }
        let secret = self.new_secret(fields, "key").await?;
        let mut key = self.made(&secret, fields)?;
        key.user_id = Some(user.id.clone());
        key.profile = Profile {
            models: user.profile.models.clone(),
            ..Profile::default()
        };
        Ok(Some((secret, key)))
    }
}

fn new_user(user: ShownUser, key: Option<(NewKey, VirtualKey)>) -> NewUser {
    let (secret, key) = key.unzip();
    let token = key.as_ref().map(|key| key.token.to_hex());
    NewUser {
        user,
        key: secret
            .map(|secret| secret.expose().to_owned())
            .unwrap_or_default(),
        token: token.clone(),
        token_id: token,
        key_name: key.as_ref().map(|key| key.name.clone()),
        expires: key.as_ref().and_then(|key| Some(key.expires?.to_string())),
        key_alias: key.and_then(|key| key.alias),
        duration: None,
    }
}

/// Changes what a request gives of a user.
fn edit(user: &mut User, fields: &Fields) -> Result<(), ApiError> {
    fields.text("user_alias")?.set(&mut user.alias);
    fields.text("user_email")?.set(&mut user.email);
    fields.text("user_role")?.set(&mut user.role);
    profile::apply(fields, &mut user.profile)
}
