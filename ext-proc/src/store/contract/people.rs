//! What the store does with those who have keys, and with templates.

use dragoman_policy::{KeyHash, Terms};

use super::super::{
    KeyStore, Membership, MembershipsOf, Slice, SqlKeyStore, UserFilter, VirtualKey,
};
use super::{bare, membership, profile, team, template, terms, user};

pub(super) async fn a_grant_holds_all_that_decides(store: &SqlKeyStore) {
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

pub(super) async fn deleting_a_team_deletes_its_keys_and_memberships(store: &SqlKeyStore) {
    let key = owned_keys(store).await;
    store.delete_team("t").await.unwrap();
    assert_eq!(store.team("t").await.unwrap(), None);
    assert_owner_gone(store, &key).await;
}

pub(super) async fn deleting_a_user_deletes_its_keys_and_memberships(store: &SqlKeyStore) {
    let key = owned_keys(store).await;
    store.delete_user("u").await.unwrap();
    assert_eq!(store.user("u").await.unwrap(), None);
    assert_owner_gone(store, &key).await;
}

pub(super) async fn a_deleted_template_leaves_own_terms(store: &SqlKeyStore) {
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

pub(super) async fn a_membership_can_change(store: &SqlKeyStore) {
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

pub(super) async fn users_are_found_by_what_they_have(store: &SqlKeyStore) {
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

pub(super) async fn teams_and_users_change(store: &SqlKeyStore) {
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

pub(super) async fn the_store_says_that_it_is_well(store: &SqlKeyStore) {
    store.health().await.unwrap();
}
