//! What every backend of the store must do. Each function is one behaviour, given an empty store.

use dragoman_policy::{KeyHash, ModelBudget, NanoDollars, Terms, UnixMillis};
use serde_json::json;

use super::{
    BudgetTemplate, Database, KeyFilter, KeyStore, Membership, MembershipsOf, Profile, Slice,
    SqlKeyStore, Stamp, StoreError, Team, Unique, User, UserFilter, VirtualKey,
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
                if let Some(url) = crate::store::postgres::database().await {
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

async fn a_key_reads_back_as_it_was_written(store: &SqlKeyStore) {
    let key = VirtualKey {
        alias: Some("alias-1".into()),
        user_id: Some("u".into()),
        team_id: Some("t".into()),
        profile: profile(),
        expires: Some(UnixMillis(7)),
        rotations: 2,
        rotated_at: Some(UnixMillis(6)),
        ..bare("sk-1")
    };
    store.add_key(&key).await.unwrap();
    assert_eq!(store.key(key.token).await.unwrap(), Some(key));
}

async fn a_key_that_sets_nothing_reads_back_too(store: &SqlKeyStore) {
    let key = bare("sk-1");
    store.add_key(&key).await.unwrap();
    assert_eq!(store.key(key.token).await.unwrap(), Some(key));
    assert_eq!(store.key(KeyHash::of("sk-2")).await.unwrap(), None);
}

async fn a_key_alias_is_used_once(store: &SqlKeyStore) {
    let named = |secret| VirtualKey {
        alias: Some("alias-1".into()),
        ..bare(secret)
    };
    store.add_key(&named("sk-1")).await.unwrap();
    let refused = store.add_key(&named("sk-2")).await;
    assert!(
        matches!(refused, Err(StoreError::Taken(Unique::KeyAlias))),
        "{refused:?}"
    );
    store.add_key(&bare("sk-3")).await.unwrap();
    store.add_key(&bare("sk-4")).await.unwrap();
    let refused = store.replace_key(&named("sk-3")).await;
    assert!(
        matches!(refused, Err(StoreError::Taken(Unique::KeyAlias))),
        "{refused:?}"
    );
}

async fn an_id_is_used_once(store: &SqlKeyStore) {
    store.add_key(&bare("sk-1")).await.unwrap();
    store.add_team(&team("t")).await.unwrap();
    store.add_user(&user("u")).await.unwrap();
    store.add_template(&template("b", terms())).await.unwrap();
    for refused in [
        store.add_key(&bare("sk-1")).await,
        store.add_team(&team("t")).await,
        store.add_user(&user("u")).await,
        store.add_template(&template("b", terms())).await,
    ] {
        assert!(
            matches!(refused, Err(StoreError::Taken(Unique::Id))),
            "{refused:?}"
        );
    }
}

async fn a_change_of_an_old_version_is_refused(store: &SqlKeyStore) {
    let mut key = bare("sk-1");
    store.add_key(&key).await.unwrap();
    key.profile.blocked = Some(true);
    store.replace_key(&key).await.unwrap();
    let stored = store.key(key.token).await.unwrap().unwrap();
    assert_eq!(
        (stored.stamp.version, stored.profile.blocked),
        (2, Some(true))
    );
    key.profile.blocked = None;
    let refused = store.replace_key(&key).await;
    assert!(matches!(refused, Err(StoreError::Stale)), "{refused:?}");
    store.delete_key(&key.id).await.unwrap();
    let refused = store.replace_key(&stored).await;
    assert!(matches!(refused, Err(StoreError::Stale)), "{refused:?}");
}

async fn a_regenerated_key_is_still_known_by_its_old_hash(store: &SqlKeyStore) {
    let old = bare("sk-old");
    store.add_key(&old).await.unwrap();
    let new = VirtualKey {
        token: KeyHash::of("sk-new"),
        ..old.clone()
    };
    store.rotate_key(&new, UnixMillis(99)).await.unwrap();
    let by_old = store.grant(old.token).await.unwrap().unwrap();
    let by_new = store.grant(new.token).await.unwrap().unwrap();
    assert_eq!(by_old.key, by_new.key);
    assert_eq!((by_new.key.id, by_new.key.token), (old.id, new.token));
    assert_eq!(by_old.valid_until, Some(UnixMillis(99)));
    assert_eq!(by_new.valid_until, None);
}

async fn a_second_regeneration_ends_an_earlier_grace(store: &SqlKeyStore) {
    let first = bare("sk-first");
    store.add_key(&first).await.unwrap();
    for (version, secret, old_until) in [(1, "sk-second", 99), (2, "sk-third", 50), (3, "sk-4", 70)]
    {
        let mut next = first.clone();
        next.token = KeyHash::of(secret);
        next.stamp.version = version;
        store
            .rotate_key(&next, UnixMillis(old_until))
            .await
            .unwrap();
    }
    for (secret, until) in [
        ("sk-first", Some(50)),
        ("sk-second", Some(50)),
        ("sk-third", Some(70)),
        ("sk-4", None),
    ] {
        let grant = store.grant(KeyHash::of(secret)).await.unwrap().unwrap();
        assert_eq!(grant.valid_until, until.map(UnixMillis), "{secret}");
    }
}

async fn a_failed_regeneration_changes_nothing(store: &SqlKeyStore) {
    let (one, other) = (bare("sk-1"), bare("sk-2"));
    store.add_key(&one).await.unwrap();
    store.add_key(&other).await.unwrap();
    let rotated = VirtualKey {
        token: other.token,
        ..one.clone()
    };
    let refused = store.rotate_key(&rotated, UnixMillis(5)).await;
    assert!(
        matches!(refused, Err(StoreError::Taken(Unique::Id))),
        "{refused:?}"
    );
    let grant = store.grant(one.token).await.unwrap().unwrap();
    assert_eq!((grant.key, grant.valid_until), (one, None));
}

async fn keys_are_listed_in_slices_the_newest_first(store: &SqlKeyStore) {
    for number in 0..5 {
        let mut key = bare(&format!("sk-{number}"));
        key.name = number.to_string();
        key.stamp.created_at = UnixMillis(number);
        store.add_key(&key).await.unwrap();
    }
    let slice = Slice { offset: 1, size: 3 };
    let listed = store.keys(&KeyFilter::default(), slice).await.unwrap();
    let names: Vec<_> = listed.items.iter().map(|key| key.name.as_str()).collect();
    assert_eq!((names, listed.total), (vec!["3", "2", "1"], 5));
    let all = store.keys(&KeyFilter::default(), Slice::ALL).await.unwrap();
    assert_eq!(all.items.len(), 5);
}

async fn keys_are_found_by_what_they_have(store: &SqlKeyStore) {
    let key = VirtualKey {
        alias: Some("a".into()),
        user_id: Some("u".into()),
        team_id: Some("t".into()),
        ..bare("sk-1")
    };
    store.add_key(&key).await.unwrap();
    store.add_key(&bare("sk-2")).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    for (filter, found) in [
        (
            KeyFilter {
                alias: text("a"),
                ..KeyFilter::default()
            },
            1,
        ),
        (
            KeyFilter {
                user_id: text("u"),
                ..KeyFilter::default()
            },
            1,
        ),
        (
            KeyFilter {
                team_id: text("t"),
                ..KeyFilter::default()
            },
            1,
        ),
        (
            KeyFilter {
                token: Some(key.token),
                ..KeyFilter::default()
            },
            1,
        ),
        (
            KeyFilter {
                alias: text("a"),
                team_id: text("x"),
                ..KeyFilter::default()
            },
            0,
        ),
    ] {
        let listed = store.keys(&filter, Slice::ALL).await.unwrap();
        assert_eq!(
            (listed.items.len(), listed.total),
            (found, found as u64),
            "{filter:?}"
        );
    }
}

async fn a_deleted_key_is_gone_with_all_its_hashes(store: &SqlKeyStore) {
    let old = bare("sk-old");
    store.add_key(&old).await.unwrap();
    let new = VirtualKey {
        token: KeyHash::of("sk-new"),
        ..old.clone()
    };
    store.rotate_key(&new, UnixMillis(99)).await.unwrap();
    store.delete_key(&old.id).await.unwrap();
    for hash in [old.token, new.token] {
        assert_eq!(store.grant(hash).await.unwrap(), None);
    }
    store.add_key(&old).await.unwrap();
}

async fn a_grant_holds_all_that_decides(store: &SqlKeyStore) {
    let mut key = VirtualKey {
        user_id: Some("u".into()),
        team_id: Some("t".into()),
        ..bare("sk-1")
    };
    key.profile.budget_id = Some("b-1".into());
    let member = Membership {
        budget_id: Some("b-2".into()),
        ..membership("t", "u")
    };
    store.add_key(&key).await.unwrap();
    let grant = store.grant(key.token).await.unwrap().unwrap();
    assert_eq!(
        (grant.team, grant.user, grant.membership),
        (None, None, None)
    );

    store.add_team(&team("t")).await.unwrap();
    store.add_user(&user("u")).await.unwrap();
    store.put_membership(&member).await.unwrap();
    store.add_template(&template("b-1", terms())).await.unwrap();
    store
        .add_template(&template("b-2", Terms::default()))
        .await
        .unwrap();
    let grant = store.grant(key.token).await.unwrap().unwrap();
    assert_eq!(grant.team, Some(team("t")));
    assert_eq!(grant.user, Some(user("u")));
    assert_eq!(grant.membership, Some(member));
    assert_eq!(grant.template(Some("b-1")).unwrap().terms, terms());
    assert_eq!(grant.template(Some("b-2")).unwrap().terms, Terms::default());
}

async fn owned_keys(store: &SqlKeyStore) -> VirtualKey {
    let key = VirtualKey {
        user_id: Some("u".into()),
        team_id: Some("t".into()),
        ..bare("sk-1")
    };
    store.add_team(&team("t")).await.unwrap();
    store.add_user(&user("u")).await.unwrap();
    store.put_membership(&membership("t", "u")).await.unwrap();
    store.add_key(&key).await.unwrap();
    store.add_key(&bare("sk-other")).await.unwrap();
    key
}

async fn assert_owner_gone(store: &SqlKeyStore, key: &VirtualKey) {
    assert_eq!(store.grant(key.token).await.unwrap(), None);
    assert_eq!(
        store.memberships(MembershipsOf::Everyone).await.unwrap(),
        []
    );
    assert!(store.key(KeyHash::of("sk-other")).await.unwrap().is_some());
}

async fn deleting_a_team_deletes_its_keys_and_memberships(store: &SqlKeyStore) {
    let key = owned_keys(store).await;
    store.delete_team("t").await.unwrap();
    assert_eq!(store.team("t").await.unwrap(), None);
    assert_owner_gone(store, &key).await;
}

async fn deleting_a_user_deletes_its_keys_and_memberships(store: &SqlKeyStore) {
    let key = owned_keys(store).await;
    store.delete_user("u").await.unwrap();
    assert_eq!(store.user("u").await.unwrap(), None);
    assert_owner_gone(store, &key).await;
}

async fn a_deleted_template_leaves_own_terms(store: &SqlKeyStore) {
    let mut key = bare("sk-1");
    key.profile.budget_id = Some("b".into());
    key.profile.terms = terms();
    store.add_key(&key).await.unwrap();
    store
        .add_template(&template("b", Terms::default()))
        .await
        .unwrap();
    store.delete_template("b").await.unwrap();
    assert_eq!(store.template("b").await.unwrap(), None);
    let profile = store.key(key.token).await.unwrap().unwrap().profile;
    assert_eq!((profile.budget_id, profile.terms), (None, terms()));
}

async fn a_membership_can_change(store: &SqlKeyStore) {
    store.put_membership(&membership("t", "u")).await.unwrap();
    let admin = Membership {
        role: "admin".into(),
        budget_id: Some("b".into()),
        ..membership("t", "u")
    };
    store.put_membership(&admin).await.unwrap();
    store.put_membership(&membership("t-2", "u")).await.unwrap();
    let of_team = store.memberships(MembershipsOf::Team("t")).await.unwrap();
    assert_eq!(of_team, [admin]);
    assert_eq!(
        store
            .memberships(MembershipsOf::User("u"))
            .await
            .unwrap()
            .len(),
        2
    );
    assert!(store.delete_membership("t", "u").await.unwrap());
    assert!(!store.delete_membership("t", "u").await.unwrap());
}

async fn users_are_found_by_what_they_have(store: &SqlKeyStore) {
    for id in ["u-1", "u-2"] {
        store.add_user(&user(id)).await.unwrap();
    }
    let filter = UserFilter {
        email: Some("u-2@example.org".into()),
        ..UserFilter::default()
    };
    let found = store.users(&filter, Slice::ALL).await.unwrap();
    assert_eq!((found.items, found.total), (vec![user("u-2")], 1));
}

async fn teams_and_users_change(store: &SqlKeyStore) {
    let (mut team, mut user) = (team("t"), user("u"));
    let mut template = template("b", Terms::default());
    store.add_team(&team).await.unwrap();
    store.add_user(&user).await.unwrap();
    store.add_template(&template).await.unwrap();
    team.profile = profile();
    user.profile = profile();
    template.terms = terms();
    store.replace_team(&team).await.unwrap();
    store.replace_user(&user).await.unwrap();
    store.replace_template(&template).await.unwrap();
    assert_eq!(store.teams().await.unwrap()[0].profile, profile());
    assert_eq!(store.user("u").await.unwrap().unwrap().profile, profile());
    assert_eq!(store.templates().await.unwrap()[0].terms, terms());
}

async fn the_store_says_that_it_is_well(store: &SqlKeyStore) {
    store.health().await.unwrap();
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
    let Some(url) = super::postgres::database().await else {
        return;
    };
    let opened = futures::future::join_all((0..4).map(|_| Database::postgres(&url))).await;
    for database in opened {
        SqlKeyStore::new(database.unwrap()).health().await.unwrap();
    }
}
