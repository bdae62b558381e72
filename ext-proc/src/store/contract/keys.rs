//! What the store does with keys.

use dragoman_policy::{KeyHash, UnixMillis};

use super::super::{KeyFilter, KeyStore, Slice, SqlKeyStore, StoreError, Unique, VirtualKey};
use super::{bare, profile, team, template, terms, user};

pub(super) async fn a_key_reads_back_as_it_was_written(store: &SqlKeyStore) {
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

pub(super) async fn a_key_that_sets_nothing_reads_back_too(store: &SqlKeyStore) {
    let key = bare("sk-1");
    store.add_key(&key).await.unwrap();
    assert_eq!(store.key(key.token).await.unwrap(), Some(key));
    assert_eq!(store.key(KeyHash::of("sk-2")).await.unwrap(), None);
}

pub(super) async fn a_key_alias_is_used_once(store: &SqlKeyStore) {
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

pub(super) async fn an_id_is_used_once(store: &SqlKeyStore) {
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

pub(super) async fn a_change_of_an_old_version_is_refused(store: &SqlKeyStore) {
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

pub(super) async fn a_regenerated_key_is_still_known_by_its_old_hash(store: &SqlKeyStore) {
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

pub(super) async fn a_second_regeneration_ends_an_earlier_grace(store: &SqlKeyStore) {
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

pub(super) async fn a_failed_regeneration_changes_nothing(store: &SqlKeyStore) {
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

pub(super) async fn keys_are_listed_in_slices_the_newest_first(store: &SqlKeyStore) {
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

pub(super) async fn keys_are_found_by_what_they_have(store: &SqlKeyStore) {
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

pub(super) async fn a_deleted_key_is_gone_with_all_its_hashes(store: &SqlKeyStore) {
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
