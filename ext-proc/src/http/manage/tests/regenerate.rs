//! Regeneration of keys.

use super::*;

#[tokio::test]
async fn both_keys_work_in_the_grace_period_of_a_regeneration() {
    let scene = scene().await;
    let old = scene
        .key(json!({"key_alias": "a", "max_budget": 5, "rpm_limit": 3}))
        .await;
    let body = json!({"grace_period": "1h", "rpm_limit": 9});
    let reply = scene.post(&format!("/key/{old}/regenerate"), body).await;
    let new = reply["key"].as_str().unwrap();
    let expected = json!({
        "key_alias": "a", "max_budget": 5, "rpm_limit": 9, "rotation_count": 1,
        "token": KeyHash::of(new).to_hex(), "last_rotation_at": "2026-11-20T06:46:07Z"
    });
    assert_holds(&reply, &expected);
    assert!(scene.works(&old).await && scene.works(new).await);
    set_clock("2026-11-20T07:46:07Z");
    assert!(!scene.works(&old).await);
    assert!(scene.works(new).await);
}

#[tokio::test]
async fn without_a_grace_period_the_old_key_ends_at_once() {
    let scene = scene().await;
    let old = scene.key(json!({})).await;
    assert!(scene.works(&old).await);
    let path = format!("/key/{}/regenerate", KeyHash::of(&old).to_hex());
    let (status, reply) = scene
        .ask(Method::POST, &path, "sk-master", Body::empty())
        .await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    assert!(!scene.works(&old).await);
    assert!(scene.works(reply["key"].as_str().unwrap()).await);
}

#[tokio::test]
async fn the_new_key_may_be_chosen_unless_it_is_another() {
    let scene = scene().await;
    let (key, other) = (scene.key(json!({})).await, scene.key(json!({})).await);
    let body = json!({"key": key, "new_key": "sk-chosen-by-me"});
    let reply = scene.post("/key/regenerate", body).await;
    assert_eq!(reply["key"], "sk-chosen-by-me");
    for taken in [&other, &key] {
        let body = json!({"key": "sk-chosen-by-me", "new_key": taken});
        assert_eq!(
            scene.fault("/key/regenerate", body).await,
            (400, json!("new_key"))
        );
    }
    assert!(scene.works("sk-chosen-by-me").await && scene.works(&other).await);
}

#[tokio::test]
async fn a_key_keeps_its_spend_when_it_is_regenerated() {
    let scene = scene().await;
    let old = scene.key(json!({})).await;
    let reply = scene.post("/key/regenerate", json!({"key": old})).await;
    let new = reply["key"].as_str().unwrap();
    let store = SqlKeyStore::new(scene.database.clone());
    let key = store.key(KeyHash::of(new)).await.unwrap().unwrap();
    assert_eq!(key.id, KeyHash::of(&old).to_hex());
}
