//! What every backend of the store must do. Each function is one behaviour, given an empty store.

mod keys;
mod people;

use dragoman_policy::{KeyHash, ModelBudget, NanoDollars, Terms, UnixMillis};
use serde_json::json;

use self::keys::*;
use self::people::*;
use super::{
    BudgetTemplate, Database, KeyStore, Membership, Profile, SqlKeyStore, Stamp, Team, User,
    VirtualKey,
};

const NOW: UnixMillis = UnixMillis(1_795_157_310_000);

/// Runs each behaviour against each backend.
macro_rules! behaviours {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("keys.sqlite");
                let database = super::Database::sqlite(&file).await.unwrap();
                super::$name(&super::SqlKeyStore::new(database)).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                if let Some(url) = crate::database::postgres::database().await {
                    let database = super::Database::postgres(&url).await.unwrap();
                    super::$name(&super::SqlKeyStore::new(database)).await;
                }
            })*
        }
    };
}

behaviours! {
    a_key_reads_back_as_it_was_written,
    a_key_that_sets_nothing_reads_back_too,
    a_key_alias_is_used_once,
    an_id_is_used_once,
    a_change_of_an_old_version_is_refused,
    a_regenerated_key_is_still_known_by_its_old_hash,
    a_second_regeneration_ends_an_earlier_grace,
    a_failed_regeneration_changes_nothing,
    keys_are_listed_in_slices_the_newest_first,
    keys_are_found_by_what_they_have,
    a_deleted_key_is_gone_with_all_its_hashes,
    a_grant_holds_all_that_decides,
    deleting_a_team_deletes_its_keys_and_memberships,
    deleting_a_user_deletes_its_keys_and_memberships,
    a_deleted_template_leaves_own_terms,
    a_membership_can_change,
    users_are_found_by_what_they_have,
    teams_and_users_change,
    the_store_says_that_it_is_well,
}

pub(super) fn terms() -> Terms {
    let model = ModelBudget {
        limit: NanoDollars::new(7),
        period: "1d".parse().ok(),
    };
    Terms {
        max_budget: Some(NanoDollars::new(10_000_000_001)),
        soft_budget: Some(NanoDollars::dollars(5)),
        budget_duration: "30d".parse().ok(),
        model_max_budget: [("gpt-4o".to_owned(), model)].into(),
        rpm_limit: Some(10),
        tpm_limit: Some(1_000),
        max_parallel_requests: Some(3),
        model_rpm_limit: [("gpt-4o".to_owned(), 2)].into(),
        model_tpm_limit: [("gpt-4o".to_owned(), 20)].into(),
    }
}

fn profile() -> Profile {
    let metadata = json!({"app": "x", "n": [1, {"y": null}]});
    Profile {
        models: vec!["gpt-4o".into(), "openai/*".into()],
        aliases: [("mistral".to_owned(), "gpt-4o".to_owned())].into(),
        metadata: metadata.as_object().cloned().unwrap(),
        tags: vec!["prod".into()],
        blocked: Some(false),
        budget_id: Some("b-1".into()),
        terms: terms(),
    }
}

/// A key that sets nothing, made of `secret`.
pub(super) fn bare(secret: &str) -> VirtualKey {
    let token = KeyHash::of(secret);
    VirtualKey {
        id: token.to_hex(),
        token,
        name: "sk-...".into(),
        alias: None,
        user_id: None,
        team_id: None,
        profile: Profile::default(),
        routes: vec!["/chat/completions".into()],
        expires: None,
        rotations: 0,
        rotated_at: None,
        stamp: Stamp::new(NOW, "master"),
    }
}

pub(super) fn team(id: &str) -> Team {
    Team {
        id: id.into(),
        alias: Some("A".into()),
        profile: Profile::default(),
        stamp: Stamp::new(NOW, "master"),
    }
}

pub(super) fn user(id: &str) -> User {
    User {
        id: id.into(),
        alias: None,
        email: Some(format!("{id}@example.org")),
        role: Some("internal_user".into()),
        profile: Profile::default(),
        stamp: Stamp::new(NOW, "master"),
    }
}

pub(super) fn template(id: &str, terms: Terms) -> BudgetTemplate {
    BudgetTemplate {
        id: id.into(),
        terms,
        stamp: Stamp::new(NOW, "master"),
    }
}

pub(super) fn membership(team_id: &str, user_id: &str) -> Membership {
    Membership {
        team_id: team_id.into(),
        user_id: user_id.into(),
        role: "user".into(),
        budget_id: None,
        created_at: NOW,
    }
}

#[tokio::test]
async fn several_starts_at_once_make_one_schema_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.sqlite");
    let opened = futures::future::join_all((0..4).map(|_| Database::sqlite(&file))).await;
    for database in opened {
        SqlKeyStore::new(database.unwrap()).health().await.unwrap();
    }
}

#[tokio::test]
async fn several_starts_at_once_make_one_schema_in_postgresql() {
    let Some(url) = crate::database::postgres::database().await else {
        return;
    };
    let opened = futures::future::join_all((0..4).map(|_| Database::postgres(&url))).await;
    for database in opened {
        SqlKeyStore::new(database.unwrap()).health().await.unwrap();
    }
}
