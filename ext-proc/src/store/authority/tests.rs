//! The authority: what a key may do, what is remembered, and what happens without the database.

use std::sync::atomic::{AtomicU64, Ordering};

use dragoman_policy::NanoDollars;

use super::super::contract::{bare, membership, team, template, user};
use super::super::{Database, Membership, SqlKeyStore, VirtualKey};
use super::*;

struct Scene {
    authority: StoreAuthority,
    store: Arc<SqlKeyStore>,
    database: Database,
    _folder: tempfile::TempDir,
}

async fn scene() -> Scene {
    scene_at(|| 1_000).await
}

async fn scene_at(now: fn() -> u64) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.sqlite");
    let database = Database::sqlite(&file).await.unwrap();
    let store = Arc::new(SqlKeyStore::new(database.clone()));
    Scene {
        authority: StoreAuthority::at(KeyHash::of("sk-master"), store.clone(), now),
        store,
        database,
        _folder: folder,
    }
}

impl Scene {
    async fn ask(&self, key: &str) -> Result<Principal, AuthorityError> {
        let header = format!("Bearer {key}");
        let credential =
            Credential::from_headers(|name| (name == "authorization").then_some(&*header));
        self.authority.authenticate(&credential.unwrap()).await
    }

    async fn refusal(&self, key: &str) -> Refusal {
        match self.ask(key).await {
            Err(AuthorityError::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }
}

fn in_team(secret: &str) -> VirtualKey {
    VirtualKey {
        team_id: Some("t".into()),
        user_id: Some("u".into()),
        ..bare(secret)
    }
}

fn named(models: &[&str]) -> Vec<String> {
    models.iter().map(|&model| model.to_owned()).collect()
}

#[tokio::test]
async fn the_master_key_and_keys_of_the_store_are_known() {
    let scene = scene().await;
    scene.store.add_key(&bare("sk-1")).await.unwrap();
    assert!(scene.ask("sk-master").await.unwrap().is_master);
    let principal = scene.ask("sk-1").await.unwrap();
    assert_eq!(principal.key_id, KeyHash::of("sk-1").to_hex());
    assert!(!principal.is_master);
    assert_eq!(scene.refusal("sk-2").await, Refusal::UnknownKey);
}

#[tokio::test]
async fn a_key_works_in_its_time_only() {
    static NOW: AtomicU64 = AtomicU64::new(1_000);
    let scene = scene_at(|| NOW.load(Ordering::Relaxed)).await;
    let key = VirtualKey {
        expires: Some(UnixMillis(2_000)),
        ..bare("sk-1")
    };
    scene.store.add_key(&key).await.unwrap();
    assert!(scene.ask("sk-1").await.is_ok());
    NOW.store(2_000, Ordering::Relaxed);
    assert_eq!(scene.refusal("sk-1").await, Refusal::ExpiredKey);
}

#[tokio::test]
async fn both_keys_work_in_the_grace_of_a_regeneration() {
    static NOW: AtomicU64 = AtomicU64::new(1_000);
    let scene = scene_at(|| NOW.load(Ordering::Relaxed)).await;
    let old = bare("sk-old");
    scene.store.add_key(&old).await.unwrap();
    let new = VirtualKey {
        token: KeyHash::of("sk-new"),
        ..old
    };
    scene
        .store
        .rotate_key(&new, UnixMillis(2_000))
        .await
        .unwrap();
    let (by_old, by_new) = (
        scene.ask("sk-old").await.unwrap(),
        scene.ask("sk-new").await.unwrap(),
    );
    assert_eq!(by_old, by_new);
    NOW.store(2_000, Ordering::Relaxed);
    assert_eq!(scene.refusal("sk-old").await, Refusal::ExpiredKey);
    assert!(scene.ask("sk-new").await.is_ok());
}

#[tokio::test]
async fn who_is_blocked_is_refused() {
    let scene = scene().await;
    let blocked = |profile: &mut crate::store::Profile| profile.blocked = Some(true);
    let mut key = bare("sk-1");
    blocked(&mut key.profile);
    scene.store.add_key(&key).await.unwrap();
    assert_eq!(scene.refusal("sk-1").await, Refusal::BlockedKey);

    scene.store.add_key(&in_team("sk-2")).await.unwrap();
    let mut user = user("u");
    blocked(&mut user.profile);
    scene.store.add_user(&user).await.unwrap();
    assert_eq!(scene.refusal("sk-2").await, Refusal::BlockedOwner("user"));
    let mut team = team("t");
    blocked(&mut team.profile);
    scene.store.add_team(&team).await.unwrap();
    scene.authority.forget();
    assert_eq!(scene.refusal("sk-2").await, Refusal::BlockedOwner("team"));
}

#[tokio::test]
async fn a_change_elsewhere_is_seen_within_seconds_and_ours_at_once() {
    let scene = scene().await;
    let mut key = bare("sk-1");
    scene.store.add_key(&key).await.unwrap();
    assert!(scene.ask("sk-1").await.is_ok());
    key.profile.blocked = Some(true);
    scene.store.replace_key(&key).await.unwrap();
    assert!(scene.ask("sk-1").await.is_ok());
    tokio::time::pause();
    tokio::time::advance(KNOWN_FOR).await;
    tokio::time::resume();
    assert_eq!(scene.refusal("sk-1").await, Refusal::BlockedKey);

    key.stamp.version += 1;
    key.profile.blocked = None;
    scene.store.replace_key(&key).await.unwrap();
    scene.authority.forget();
    assert!(scene.ask("sk-1").await.is_ok());
}

#[tokio::test]
async fn a_database_that_is_down_is_nobody_s_wrong_key() {
    let scene = scene().await;
    scene.database.close().await;
    let error = scene.ask("sk-1").await.unwrap_err();
    let error = dragoman_proto::ApiError::from(error);
    assert_eq!(error.status(), 503);
    assert!(error.message.contains("SQLite"), "{error}");
    assert!(scene.ask("sk-master").await.is_ok());
}

#[tokio::test]
async fn a_team_s_key_may_use_what_both_may() {
    let scene = scene().await;
    let mut team = team("t");
    team.profile.models = named(&["a", "b"]);
    team.profile.aliases = [("x".to_owned(), "a".to_owned())].into();
    scene.store.add_team(&team).await.unwrap();
    for (secret, models, allowed) in [
        ("sk-1", &[][..], &["a", "b", "x"][..]),
        ("sk-2", &["all-team-models"], &["a", "b", "x"]),
        ("sk-3", &["b", "c"], &["b"]),
    ] {
        let mut key = in_team(secret);
        key.profile.models = named(models);
        scene.store.add_key(&key).await.unwrap();
        let principal = scene.ask(secret).await.unwrap();
        let may: Vec<_> = ["a", "b", "c", "x"]
            .into_iter()
            .filter(|model| principal.authorize(model).is_ok())
            .collect();
        assert_eq!(may, allowed, "{models:?}");
    }
}

#[tokio::test]
async fn all_models_of_no_team_are_none() {
    let scene = scene().await;
    let mut key = bare("sk-1");
    key.profile.models = named(&["all-team-models"]);
    scene.store.add_key(&key).await.unwrap();
    assert!(scene.ask("sk-1").await.unwrap().authorize("a").is_err());
}

#[tokio::test]
async fn a_user_s_own_key_is_within_the_user_s_models() {
    let scene = scene().await;
    let mut user = user("u");
    user.profile.models = named(&["a"]);
    scene.store.add_user(&user).await.unwrap();
    let key = VirtualKey {
        team_id: None,
        ..in_team("sk-1")
    };
    scene.store.add_key(&key).await.unwrap();
    let principal = scene.ask("sk-1").await.unwrap();
    assert!(principal.authorize("a").is_ok() && principal.authorize("b").is_err());
}

#[tokio::test]
async fn key_user_team_and_membership_all_bind() {
    let scene = scene().await;
    let terms = |dollars, rpm| Terms {
        max_budget: Some(NanoDollars::dollars(dollars)),
        rpm_limit: Some(rpm),
        ..Terms::default()
    };
    let mut key = in_team("sk-1");
    key.profile.terms.rpm_limit = Some(1);
    key.profile.budget_id = Some("b-key".into());
    let mut user = user("u");
    user.profile.terms = terms(2, 2);
    let mut team = team("t");
    team.profile.terms = terms(3, 3);
    let member = Membership {
        budget_id: Some("b-member".into()),
        ..membership("t", "u")
    };
    scene.store.add_key(&key).await.unwrap();
    scene.store.add_user(&user).await.unwrap();
    scene.store.add_team(&team).await.unwrap();
    scene.store.put_membership(&member).await.unwrap();
    for (id, dollars) in [("b-key", 1), ("b-member", 4)] {
        let template = template(id, terms(dollars, 9));
        scene.store.add_template(&template).await.unwrap();
    }
    let principal = scene.ask("sk-1").await.unwrap();
    let budgets = principal.budgets("a", UnixMillis(5));
    let budgets: Vec<_> = budgets
        .iter()
        .map(|budget| (budget.account.scope, budget.limit.nanos() / 1_000_000_000))
        .collect();
    assert_eq!(
        budgets,
        [(Scope::Key, 1), (Scope::Team, 3), (Scope::TeamMember, 4)]
    );
    let limits = principal.limits("a");
    let limits: Vec<_> = limits
        .iter()
        .map(|limit| (limit.account.scope, limit.rpm))
        .collect();
    let expected = [
        (Scope::Key, 1),
        (Scope::User, 2),
        (Scope::Team, 3),
        (Scope::TeamMember, 9),
    ];
    assert_eq!(limits, expected.map(|(scope, rpm)| (scope, Some(rpm))));
}

#[tokio::test]
async fn a_key_carries_its_tags_and_its_team_s() {
    let scene = scene().await;
    let mut team = team("t");
    team.profile.tags = named(&["prod", "eu"]);
    let mut key = in_team("sk-1");
    key.profile.tags = named(&["app", "prod"]);
    key.profile
        .metadata
        .insert("tags".into(), serde_json::json!(["meta", "app"]));
    scene.store.add_team(&team).await.unwrap();
    scene.store.add_key(&key).await.unwrap();
    assert_eq!(
        scene.ask("sk-1").await.unwrap().tags,
        ["app", "prod", "meta", "eu"]
    );
}

#[tokio::test]
async fn many_who_ask_a_database_that_hangs_are_told_together() {
    let scene = scene().await;
    // as good as a database that hangs: no connection answers
    let held = scene.database.hold_readers().await;
    let started = std::time::Instant::now();
    let asked = futures::future::join_all((0..8).map(|_| scene.ask("sk-1"))).await;
    assert!(started.elapsed() < 2 * PATIENCE, "{:?}", started.elapsed());
    for error in asked {
        assert!(
            matches!(error, Err(AuthorityError::Unavailable(_))),
            "{error:?}"
        );
    }
    drop(held);
    tokio::time::pause();
    tokio::time::advance(DOWN_FOR).await;
    tokio::time::resume();
    assert_eq!(scene.refusal("sk-1").await, Refusal::UnknownKey);
}
