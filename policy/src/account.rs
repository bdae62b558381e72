//! Whose money or allowance it is.

use std::fmt;
use std::sync::Arc;

/// What a budget or a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A virtual key.
    Key,
    /// One model of a virtual key; the id is the key's and the model's.
    KeyModel,
    /// A user.
    User,
    /// One model of a user; the id is the user's and the model's.
    UserModel,
    /// A user as a member of a team; the id is the team's and the user's.
    TeamMember,
    /// A team.
    Team,
    /// One model of a team; the id is the team's and the model's.
    TeamModel,
    /// The end user that a client names.
    EndUser,
    /// A tag.
    Tag,
    /// A provider.
    Provider,
    /// A deployment.
    Deployment,
    /// Everything together.
    Global,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 12] = [
        Self::Key,
        Self::KeyModel,
        Self::User,
        Self::UserModel,
        Self::TeamMember,
        Self::Team,
        Self::TeamModel,
        Self::EndUser,
        Self::Tag,
        Self::Provider,
        Self::Deployment,
        Self::Global,
    ];

    /// The storage form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::KeyModel => "key_model",
            Self::User => "user",
            Self::UserModel => "user_model",
            Self::TeamMember => "team_member",
            Self::Team => "team",
            Self::TeamModel => "team_model",
            Self::EndUser => "end_user",
            Self::Tag => "tag",
            Self::Provider => "provider",
            Self::Deployment => "deployment",
            Self::Global => "global",
        }
    }

    /// The reverse of [`Scope::as_str`].
    pub fn parse(stored: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == stored)
    }

    /// For people, after "the budget of".
    pub const fn described(self) -> &'static str {
        match self {
            Self::Key => "this API key",
            Self::KeyModel => "this API key for the model",
            Self::User => "this user",
            Self::UserModel => "this user for the model",
            Self::TeamMember => "this member of the team",
            Self::Team => "this team",
            Self::TeamModel => "this team for the model",
            Self::EndUser => "this end user",
            Self::Tag => "this tag",
            Self::Provider => "this provider",
            Self::Deployment => "this deployment",
            Self::Global => "this gateway",
        }
    }
}

/// Names one account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId {
    /// What it is about.
    pub scope: Scope,
    /// Which one.
    pub id: Arc<str>,
}

impl AccountId {
    /// The account of `id` in `scope`.
    pub fn new(scope: Scope, id: &str) -> Self {
        Self {
            scope,
            id: Arc::from(id),
        }
    }

    /// The account of one model of a key.
    pub fn key_model(key_id: &str, model: &str) -> Self {
        Self::new(Scope::KeyModel, &format!("{key_id}/{model}"))
    }

    /// The account of a user as a member of a team.
    pub fn team_member(team_id: &str, user_id: &str) -> Self {
        Self::new(Scope::TeamMember, &format!("{team_id}/{user_id}"))
    }

    /// The account of one model of this account; `None` for accounts that are not kept by model.
    pub fn for_model(&self, model: &str) -> Option<Self> {
        let scope = match self.scope {
            Scope::Key => Scope::KeyModel,
            Scope::User => Scope::UserModel,
            Scope::Team => Scope::TeamModel,
            Scope::KeyModel
            | Scope::UserModel
            | Scope::TeamMember
            | Scope::TeamModel
            | Scope::EndUser
            | Scope::Tag
            | Scope::Provider
            | Scope::Deployment
            | Scope::Global => return None,
        };
        Some(Self::new(scope, &format!("{}/{model}", self.id)))
    }

    /// The account of everything together.
    pub fn global() -> Self {
        Self::new(Scope::Global, "")
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scope.as_str(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_survives_its_storage_form() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
    }
}
