//! `/team/*`, but for its members.

use axum::Json;
use axum::extract::State;
use dragoman_policy::{AccountId, Scope};
use dragoman_proto::{ApiError, ErrorKind};
use serde::Serialize;

use super::super::{Failure, Master};
use super::fields::{Asked, Fields};
use super::reply::{ShownKey, ShownMember, ShownMembership, ShownTeam, Spent};
use super::{AUTHOR, Manage, TRIES, new_id, profile, taken, unknown};
use crate::store::{
    KeyFilter, Membership, MembershipsOf, Profile, Slice, Stamp, StoreError, Team, Unique,
};

#[derive(Serialize)]
pub(super) struct TeamInfo {
    team_id: String,
    team_info: ShownTeam,
    keys: Vec<ShownKey>,
    team_memberships: Vec<ShownMembership>,
}

#[derive(Serialize)]
pub(super) struct ListedTeam {
    #[serde(flatten)]
    team: ShownTeam,
    team_memberships: Vec<ShownMembership>,
    keys: Vec<ShownKey>,
}

#[derive(Serialize)]
pub(super) struct Updated {
    team_id: String,
    data: ShownTeam,
}

#[derive(Serialize)]
pub(super) struct Deleted {
    deleted_teams: Vec<String>,
}

/// `POST /team/new`.
pub(super) async fn new(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<ShownTeam>, Failure> {
    let mut team = Team {
        id: fields.text("team_id")?.value().unwrap_or_else(new_id),
        alias: None,
        profile: Profile::default(),
        stamp: Stamp::new(manage.now(), AUTHOR),
    };
    edit(&mut team, &fields)?;
    manage.template(team.profile.budget_id.as_deref()).await?;
    match manage.store.add_team(&team).await {
        Err(StoreError::Taken(Unique::Id)) => {
            return Err(taken(ErrorKind::InvalidRequest, "team", "team_id"));
        }
        added => added?,
    }
    manage.authority.forget();
    for member in fields.objects("members_with_roles")? {
        manage.add_member(&team.id, &member, None).await?;
    }
    Ok(Json(manage.shown_team(&team).await?))
}

/// `GET /team/info?team_id=`.
pub(super) async fn info(
    State(manage): State<Manage>,
    _: Master,
    asked: Asked,
) -> Result<Json<TeamInfo>, Failure> {
    let team = manage.team(&asked.required("team_id")?).await?;
    let filter = KeyFilter {
        team_id: Some(team.id.clone()),
        ..KeyFilter::default()
    };
    let keys = manage.store.keys(&filter, Slice::ALL).await?.items;
    let of = MembershipsOf::Team(&team.id);
    let memberships = manage.store.memberships(of).await?;
    Ok(Json(TeamInfo {
        team_info: manage.shown_team(&team).await?,
        keys: manage.shown_keys(&keys).await?,
        team_memberships: manage.shown_memberships(&memberships).await?,
        team_id: team.id,
    }))
}

/// `POST /team/update`: what is given changes, null takes away.
pub(super) async fn update(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<Updated>, Failure> {
    let team = manage.change_team(&fields, edit).await?;
    let data = manage.shown_team(&team).await?;
    let team_id = team.id;
    Ok(Json(Updated { team_id, data }))
}

/// `POST /team/block`: refuses all keys of the team.
pub(super) async fn block(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<ShownTeam>, Failure> {
    manage.set_blocked(&fields, true).await
}

/// `POST /team/unblock`.
pub(super) async fn unblock(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<ShownTeam>, Failure> {
    manage.set_blocked(&fields, false).await
}

/// `POST /team/delete`: with the keys of the teams, as in LiteLLM.
pub(super) async fn delete(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<Deleted>, Failure> {
    let deleted_teams = fields.required_texts("team_ids")?;
    for id in &deleted_teams {
        manage.team(id).await?;
    }
    for id in &deleted_teams {
        let deleted = manage.store.delete_team(id).await;
        manage.authority.forget();
        deleted?;
    }
    Ok(Json(Deleted { deleted_teams }))
}

/// `GET /team/list`: all, or those of `?user_id=`.
pub(super) async fn list(
    State(manage): State<Manage>,
    _: Master,
    asked: Asked,
) -> Result<Json<Vec<ListedTeam>>, Failure> {
    let memberships = manage.store.memberships(MembershipsOf::Everyone).await?;
    let mut teams = manage.store.teams().await?;
    if let Some(user_id) = asked.text("user_id") {
        let is_in = |team: &Team| {
            let mut memberships = memberships.iter();
            memberships.any(|of| of.team_id == team.id && of.user_id == user_id)
        };
        teams.retain(is_in);
    }
    let mut listed = Vec::with_capacity(teams.len());
    for team in &teams {
        let members = memberships.iter().filter(|of| of.team_id == team.id);
        let members: Vec<_> = members.cloned().collect();
        listed.push(ListedTeam {
            team: manage.shown_team_of(team, &members).await?,
            team_memberships: manage.shown_memberships(&members).await?,
            keys: Vec::new(),
        });
    }
    Ok(Json(listed))
}

impl Manage {
    pub(super) async fn team(&self, id: &str) -> Result<Team, Failure> {
        let team = self.store.team(id).await?;
        team.ok_or_else(|| unknown("team", "team_id"))
    }

    async fn set_blocked(
        &self,
        fields: &Fields,
        blocked: bool,
    ) -> Result<Json<ShownTeam>, Failure> {
        let change = |team: &mut Team, _: &Fields| {
            team.profile.blocked = Some(blocked);
            Ok(())
        };
        let team = self.change_team(fields, change).await?;
        Ok(Json(self.shown_team(&team).await?))
    }

    async fn change_team(
        &self,
        fields: &Fields,
        change: impl Fn(&mut Team, &Fields) -> Result<(), ApiError>,
    ) -> Result<Team, Failure> {
        let id = fields.required("team_id")?;
        let mut tries = 1;
        loop {
            let mut team = self.team(&id).await?;
            change(&mut team, fields)?;
            self.template(team.profile.budget_id.as_deref()).await?;
            team.stamp.change(self.now(), AUTHOR);
            let replaced = self.store.replace_team(&team).await;
            self.authority.forget();
            match replaced {
                Err(StoreError::Stale) if tries < TRIES => tries += 1,
                replaced => return Ok(replaced.map(|()| team)?),
            }
        }
    }

    pub(super) async fn shown_team(&self, team: &Team) -> Result<ShownTeam, Failure> {
        let members = self
            .store
            .memberships(MembershipsOf::Team(&team.id))
            .await?;
        self.shown_team_of(team, &members).await
    }

    async fn shown_team_of(
        &self,
        team: &Team,
        memberships: &[Membership],
    ) -> Result<ShownTeam, Failure> {
        let account = AccountId::new(Scope::Team, &team.id);
        let (terms, since) = (&team.profile.terms, team.stamp.created_at);
        let spent = self.spent(&account, terms, since).await?;
        let mut members = Vec::with_capacity(memberships.len());
        for membership in memberships {
            let user = self.store.user(&membership.user_id).await?;
            members.push(ShownMember {
                user_id: membership.user_id.clone(),
                user_email: user.and_then(|user| user.email),
                role: membership.role.clone(),
            });
        }
        Ok(ShownTeam::new(team, members, spent, self.now()))
    }

    pub(super) async fn shown_memberships(
        &self,
        memberships: &[Membership],
    ) -> Result<Vec<ShownMembership>, Failure> {
        let now = self.now();
        let templates = if memberships.iter().any(|of| of.budget_id.is_some()) {
            self.store.templates().await?
        } else {
            Vec::new()
        };
        let none = dragoman_policy::Terms::default();
        let found: Vec<_> = memberships
            .iter()
            .map(|of| {
                let id = of.budget_id.as_ref();
                id.and_then(|id| templates.iter().find(|template| template.id == *id))
            })
            .collect();
        let accounts = memberships.iter().zip(&found).map(|(of, template)| {
            let account = AccountId::team_member(&of.team_id, &of.user_id);
            let terms = template.map_or(&none, |template| &template.terms);
            (account, terms, of.created_at)
        });
        let spent = self.spent_by(&accounts.collect::<Vec<_>>()).await?;
        let spent = spent.into_iter().chain(std::iter::repeat(Spent::NOTHING));
        let shown = memberships.iter().zip(found).zip(spent);
        let shown =
            shown.map(|((of, template), spent)| ShownMembership::new(of, template, spent, now));
        Ok(shown.collect())
    }
}

/// Changes what a request gives of a team.
fn edit(team: &mut Team, fields: &Fields) -> Result<(), ApiError> {
    fields.text("team_alias")?.set(&mut team.alias);
    profile::apply(fields, &mut team.profile)
}
