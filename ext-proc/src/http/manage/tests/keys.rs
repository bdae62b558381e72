//! `/key/*`, but for regeneration.

use super::*;

fn all_fields() -> Value {
    json!({
        "key_alias": "alias-1", "duration": "30d", "models": ["gpt-4o-mini", "claude"],
        "aliases": {"mistral-7b": "gpt-4o-mini"}, "max_budget": 10.25, "soft_budget": 5,
        "budget_duration": "30d", "max_parallel_requests": 5, "metadata": {"app": "x"},
        "tags": ["prod"], "tpm_limit": 1000, "rpm_limit": 10, "user_id": "user-1",
        "team_id": "team-1", "blocked": false,
        "model_max_budget": {"gpt-4o": {"budget_limit": 0.5, "time_period": "1d"}},
        "model_rpm_limit": {"gpt-4o": 2}, "model_tpm_limit": {"gpt-4o": 20}
    })
}

#[tokio::test]
async fn a_key_is_generated_with_litellm_s_fields() {
    let scene = scene().await;
    let reply = scene.post("/key/generate", all_fields()).await;
    let mut expected = all_fields();
    // as in LiteLLM, the duration has become an expiry
    expected["duration"] = Value::Null;
    expected["expires"] = json!("2026-12-20T06:46:07Z");
    assert_holds(&reply, &expected);
    let key = reply["key"].as_str().unwrap();
    assert!(key.starts_with("sk-") && key.len() >= 25);
    assert_eq!(
        reply["key_name"],
        format!("sk-...{}", &key[key.len() - 4..])
    );
    let hash = KeyHash::of(key).to_hex();
    assert_holds(&reply, &json!({"token": hash, "token_id": hash}));
    let shown = scene.info(key).await;
    assert!(!shown.to_string().contains(key), "{shown}");
    assert_holds(
        &shown,
        &json!({"spend": 0.01, "total_spend": 1, "status": "active"}),
    );
}

#[tokio::test]
async fn a_key_of_nothing_may_do_everything() {
    let scene = scene().await;
    let reply = scene
        .post("/key/generate", json!({"foo": "bar", "limit": 3}))
        .await;
    let expected = json!({
        "models": [], "max_budget": null, "expires": null, "blocked": null, "aliases": {},
        "metadata": {}, "tags": null, "budget_reset_at": null, "model_max_budget": {}
    });
    assert_holds(&reply, &expected);
    assert!(scene.works(reply["key"].as_str().unwrap()).await);
}

#[tokio::test]
async fn budgets_start_anew_when_the_calendar_does() {
    let scene = scene().await;
    for (duration, reset) in [
        ("30s", "2026-11-20T06:46:30Z"),
        ("5m", "2026-11-20T06:50:00Z"),
        ("1h", "2026-11-20T07:00:00Z"),
        ("1d", "2026-11-21T00:00:00Z"),
        ("7d", "2026-11-23T00:00:00Z"),
        ("1w", "2026-11-23T00:00:00Z"),
        ("30d", "2026-12-01T00:00:00Z"),
        ("1mo", "2026-12-01T00:00:00Z"),
    ] {
        let body = json!({"max_budget": 1, "budget_duration": duration});
        let key = scene.key(body).await;
        assert_eq!(
            scene.info(&key).await["budget_reset_at"],
            reset,
            "{duration}"
        );
    }
}

#[tokio::test]
async fn a_key_ends_exactly_when_its_duration_does() {
    let scene = scene().await;
    let key = scene.key(json!({"duration": "1h"})).await;
    set_clock("2026-11-20T07:46:06Z");
    assert!(scene.works(&key).await);
    set_clock("2026-11-20T07:46:07Z");
    assert!(!scene.works(&key).await);
    assert_eq!(scene.info(&key).await["status"], "expired");
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let scene = scene().await;
    for (body, param) in [
        (json!({"max_budget": "abc"}), "max_budget"),
        (json!({"max_budget": -1}), "max_budget"),
        (json!({"models": "gpt-4o"}), "models"),
        (json!({"rpm_limit": 1.5}), "rpm_limit"),
        (json!({"metadata": []}), "metadata"),
        (json!({"duration": "30x"}), "duration"),
        (json!({"duration": 30}), "duration"),
        (json!({"budget_duration": "2mo"}), "budget_duration"),
        (json!({"blocked": "yes"}), "blocked"),
        (json!({"model_max_budget": {"m": {}}}), "model_max_budget"),
        (json!({"budget_id": "none"}), "budget_id"),
        (json!({"key": "mycustom"}), "key"),
        (json!({"key": "sk-master"}), "key"),
    ] {
        assert_eq!(
            scene.fault("/key/generate", body).await,
            (400, json!(param))
        );
    }
    for body in [json!([]), json!(null), json!("x")] {
        assert_eq!(scene.fault("/key/generate", body).await, (400, Value::Null));
    }
    assert_eq!(scene.get("/key/list").await["total_count"], 0);
}

#[tokio::test]
async fn a_key_alias_is_unique() {
    let scene = scene().await;
    let key = scene.key(json!({"key_alias": "alias-1"})).await;
    let again = json!({"key_alias": "alias-1"});
    assert_eq!(
        scene.fault("/key/generate", again).await,
        (400, json!("key_alias"))
    );
    let other = scene.key(json!({})).await;
    let rename = json!({"key": other, "key_alias": "alias-1"});
    assert_eq!(
        scene.fault("/key/update", rename).await,
        (400, json!("key_alias"))
    );
    scene
        .post("/key/update", json!({"key": key, "key_alias": null}))
        .await;
    scene
        .post("/key/update", json!({"key": other, "key_alias": "alias-1"}))
        .await;
}

#[tokio::test]
async fn a_chosen_key_that_exists_is_shown_as_it_is() {
    let scene = scene().await;
    let body = json!({"key": "sk-my-custom-key-1", "max_budget": 1});
    scene.post("/key/generate", body).await;
    let body = json!({"key": "sk-my-custom-key-1", "max_budget": 2});
    let reply = scene.post("/key/generate", body).await;
    assert_holds(
        &reply,
        &json!({"key": "sk-my-custom-key-1", "max_budget": 1}),
    );
}

#[tokio::test]
async fn an_update_changes_only_what_it_names() {
    let scene = scene().await;
    let key = scene.key(all_fields()).await;
    let body = json!({"key": key, "max_budget": 20, "metadata": {"x": 1}, "models": ["gpt-4o"]});
    let reply = scene.post("/key/update", body).await;
    let expected = json!({
        "key": key, "token": KeyHash::of(&key).to_hex(), "max_budget": 20, "metadata": {"x": 1},
        "models": ["gpt-4o"], "rpm_limit": 10, "budget_duration": "30d", "key_alias": "alias-1",
        "expires": "2026-12-20T06:46:07Z"
    });
    assert_holds(&reply, &expected);
    assert_holds(
        &scene.info(&key).await,
        &json!({"max_budget": 20, "rpm_limit": 10}),
    );
}

#[tokio::test]
async fn null_takes_away_and_minus_one_makes_a_key_eternal() {
    let scene = scene().await;
    let key = scene.key(all_fields()).await;
    let body = json!({
        "key": key, "max_budget": null, "rpm_limit": null, "models": null, "tags": null,
        "budget_duration": null, "metadata": null, "model_max_budget": null, "duration": null
    });
    let reply = scene.post("/key/update", body).await;
    let expected = json!({
        "max_budget": null, "rpm_limit": null, "models": [], "tags": null, "metadata": {},
        "budget_duration": null, "budget_reset_at": null, "model_max_budget": {},
        "expires": "2026-12-20T06:46:07Z"
    });
    assert_holds(&reply, &expected);
    let reply = scene
        .post("/key/update", json!({"key": key, "duration": "-1"}))
        .await;
    assert_eq!(reply["expires"], Value::Null);
    let reply = scene
        .post("/key/update", json!({"key": key, "duration": "2h"}))
        .await;
    assert_eq!(reply["expires"], "2026-11-20T08:46:07Z");
}

#[tokio::test]
async fn an_unknown_key_is_not_found() {
    let scene = scene().await;
    for path in [
        "/key/update",
        "/key/block",
        "/key/unblock",
        "/key/regenerate",
    ] {
        let fault = scene.fault(path, json!({"key": "sk-none"})).await;
        assert_eq!(fault, (404, json!("key")), "{path}");
        assert_eq!(
            scene.fault(path, json!({})).await,
            (400, json!("key")),
            "{path}"
        );
    }
    for path in ["/key/info?key=sk-none", "/key/info"] {
        let (status, _) = scene.get_with("sk-master", path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_blocked_key_does_not_work_until_it_is_unblocked() {
    let scene = scene().await;
    let key = scene.key(json!({})).await;
    assert!(scene.works(&key).await);
    let reply = scene.post("/key/block", json!({"key": key})).await;
    assert_eq!(reply["blocked"], true);
    assert!(!scene.works(&key).await);
    let hash = KeyHash::of(&key).to_hex();
    scene.post("/key/unblock", json!({"key": hash})).await;
    assert!(scene.works(&key).await);
}

#[tokio::test]
async fn keys_are_deleted_by_key_hash_or_alias() {
    let scene = scene().await;
    let (one, two) = (scene.key(json!({})).await, scene.key(json!({})).await);
    let named = scene.key(json!({"key_alias": "alias-1"})).await;
    let hash = KeyHash::of(&two).to_hex();
    assert!(scene.works(&one).await);
    let reply = scene
        .post("/key/delete", json!({"keys": [one, hash, "sk-none"]}))
        .await;
    assert_eq!(reply, json!({"deleted_keys": [one, hash]}));
    let reply = scene
        .post("/key/delete", json!({"key_aliases": ["alias-1"]}))
        .await;
    assert_eq!(reply, json!({"deleted_keys": ["alias-1"]}));
    for key in [&one, &two, &named] {
        assert!(!scene.works(key).await);
    }
    for (body, status) in [
        (json!({"keys": ["sk-none"]}), 404),
        (json!({"key_aliases": ["none"]}), 404),
        (json!({"keys": []}), 400),
        (json!({}), 400),
    ] {
        assert_eq!(
            scene.fault("/key/delete", body).await,
            (status, json!("keys"))
        );
    }
}

#[tokio::test]
async fn keys_are_listed_in_pages() {
    let scene = scene().await;
    for number in 0..5 {
        set_clock(&format!("2026-11-20T06:46:0{number}Z"));
        scene
            .key(json!({"key_alias": format!("a{number}"), "team_id": "t"}))
            .await;
    }
    let page = scene
        .get("/key/list?page=2&size=2&return_full_object=true")
        .await;
    let aliases: Vec<_> = page["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["key_alias"])
        .collect();
    assert_eq!(aliases, ["a2", "a1"]);
    assert_holds(
        &page,
        &json!({"total_count": 5, "current_page": 2, "total_pages": 3}),
    );

    let found = scene.get("/key/list?key_alias=a3").await;
    assert_eq!(
        (
            found["keys"][0].as_str().unwrap().len(),
            &found["total_count"]
        ),
        (64, &json!(1))
    );
    assert_eq!(
        scene.get("/key/list?team_id=other").await["keys"],
        json!([])
    );
    for query in ["page=0", "size=0", "size=101", "page=x"] {
        let (status, reply) = scene
            .get_with("sk-master", &format!("/key/list?{query}"))
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {reply}");
    }
}

#[tokio::test]
async fn only_the_master_key_manages_and_a_holder_sees_its_own_key() {
    let scene = scene().await;
    let (key, other) = (scene.key(json!({})).await, scene.key(json!({})).await);
    let (status, own) = scene.get_with(&key, "/key/info").await;
    assert_eq!(
        (status, &own["key"]),
        (StatusCode::OK, &json!(KeyHash::of(&key).to_hex()))
    );
    let named = format!("/key/info?key={key}");
    assert_eq!(scene.get_with(&key, &named).await.0, StatusCode::OK);
    for path in [
        format!("/key/info?key={other}"),
        "/key/info?key=sk-none".into(),
        "/key/list".into(),
        "/team/list".into(),
        "/user/list".into(),
        "/budget/list".into(),
    ] {
        assert_eq!(
            scene.get_with(&key, &path).await.0,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    for path in [
        "/key/generate",
        "/key/update",
        "/key/delete",
        "/key/block",
        "/key/x/regenerate",
        "/team/new",
        "/user/new",
        "/budget/new",
        "/team/member_add",
    ] {
        let reply = scene.ask(Method::POST, path, &key, Body::from("{}")).await;
        assert_eq!(reply.0, StatusCode::FORBIDDEN, "{path}");
        let reply = scene
            .ask(Method::POST, path, "sk-none", Body::from("{}"))
            .await;
        assert_eq!(reply.0, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn a_database_that_is_down_is_named() {
    let scene = scene().await;
    scene.database.close().await;
    for (key, path) in [("sk-master", "/key/list"), ("sk-1", "/key/info")] {
        let (status, reply) = scene.get_with(key, path).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{reply}");
        assert!(
            reply["error"]["message"]
                .as_str()
                .unwrap()
                .contains("SQLite"),
            "{reply}"
        );
    }
}
