//! `/team/member_*`.

use axum::Json;
use axum::extract::State;
use dragoman_policy::{NanoDollars, Terms};
use serde::Serialize;

use super::super::{Failure, Master};
use super::fields::{Fields, wrong};
use super::reply::{ShownMembership, ShownTeam, ShownUser};
use super::{AUTHOR, Manage, new_id, unknown};
use crate::store::{
    BudgetTemplate, KeyFilter, Membership, MembershipsOf, Profile, Slice, Stamp, User, UserFilter,
};

#[derive(Serialize)]
pub(super) struct Added {
    #[serde(flatten)]
    team: ShownTeam,
    updated_users: Vec<ShownUser>,
    updated_team_memberships: Vec<ShownMembership>,
}

/// `POST /team/member_add`: one `member` or a list of them, who need not be known yet, with
/// `max_budget_in_team`.
pub(super) async fn add(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<Added>, Failure> {
    let team = manage.team(&fields.required("team_id")?).await?;
    let most = fields.dollars("max_budget_in_team")?.value();
    let members = fields.objects("member")?;
    if members.is_empty() {
        return Err(wrong("member", "`member` must name at least one".to_owned()).into());
    }
    let (mut users, mut memberships) = (Vec::new(), Vec::new());
    for member in &members {
        let (user, membership) = manage.add_member(&team.id, member, most).await?;
        users.push(manage.shown_user(&user).await?);
        memberships.push(membership);
    }
    Ok(Json(Added {
        team: manage.shown_team(&team).await?,
        updated_users: users,
        updated_team_memberships: manage.shown_memberships(&memberships).await?,
    }))
}

/// `POST /team/member_delete`: with the member's keys in the team.
pub(super) async fn delete(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<ShownTeam>, Failure> {
    let team = manage.team(&fields.required("team_id")?).await?;
    let user_id = match manage.named_user(&fields).await? {
        Some(user) => user.id,
        None => fields.required("user_id")?,
    };
    let ended = manage.store.delete_membership(&team.id, &user_id).await;
    manage.authority.forget();
    if !ended? {
        return Err(unknown("member", "user_id"));
    }
    let filter = KeyFilter {
        user_id: Some(user_id),
        team_id: Some(team.id.clone()),
        ..KeyFilter::default()
    };
    for key in manage.store.keys(&filter, Slice::ALL).await?.items {
        manage.delete_key(&key).await?;
    }
    Ok(Json(manage.shown_team(&team).await?))
}

impl Manage {
    /// The user that `user_id` or `user_email` names, if there is one.
    pub(super) async fn named_user(&self, fields: &Fields) -> Result<Option<User>, Failure> {
        if let Some(id) = fields.text("user_id")?.value() {
            return Ok(self.store.user(&id).await?);
        }
        let email = fields.text("user_email")?.value().ok_or_else(|| {
            let message = "`user_id` or `user_email` must name a user".to_owned();
            wrong("user_id", message)
        })?;
        let filter = UserFilter {
            email: Some(email),
            ..UserFilter::default()
        };
        let found = self
            .store
            .users(&filter, Slice { offset: 0, size: 1 })
            .await?;
        Ok(found.items.into_iter().next())
    }

    /// Makes the user that `member` describes a member, and the user too where it is not known.
    pub(super) async fn add_member(
        &self,
        team_id: &str,
        member: &Fields,
        most: Option<NanoDollars>,
    ) -> Result<(User, Membership), Failure> {
        let role = member
            .text("role")?
            .value()
            .unwrap_or_else(|| "user".to_owned());
        if !["admin", "user"].contains(&role.as_str()) {
            let message = "`role` must be `admin` or `user`".to_owned();
            return Err(wrong("role", message).into());
        }
        let user = match self.named_user(member).await? {
            Some(user) => user,
            None => self.new_member(member).await?,
        };
        let known = self
            .store
            .memberships(MembershipsOf::User(&user.id))
            .await?;
        let known = known.into_iter().find(|of| of.team_id == team_id);
        let budget_id = match most {
            Some(most) => Some(self.member_budget(most).await?),
            None => known.as_ref().and_then(|known| known.budget_id.clone()),
        };
        let membership = Membership {
            team_id: team_id.to_owned(),
            user_id: user.id.clone(),
            role,
            budget_id,
            created_at: known.map_or(self.now(), |known| known.created_at),
        };
        let put = self.store.put_membership(&membership).await;
        self.authority.forget();
        put?;
        Ok((user, membership))
    }

    async fn new_member(&self, member: &Fields) -> Result<User, Failure> {
        let user = User {
            id: member.text("user_id")?.value().unwrap_or_else(new_id),
            alias: None,
            email: member.text("user_email")?.value(),
            role: None,
            profile: Profile::default(),
            stamp: Stamp::new(self.now(), AUTHOR),
        };
        self.store.add_user(&user).await?;
        Ok(user)
    }

    async fn member_budget(&self, most: NanoDollars) -> Result<String, Failure> {
        let template = BudgetTemplate {
            id: new_id(),
            terms: Terms {
                max_budget: Some(most),
                ..Terms::default()
            },
            stamp: Stamp::new(self.now(), AUTHOR),
        };
        self.store.add_template(&template).await?;
        Ok(template.id)
    }
}
