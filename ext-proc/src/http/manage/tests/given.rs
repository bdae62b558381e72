//! What requests about keys may ask for, and what nothing here heeds.

use super::*;

#[tokio::test]
async fn a_key_says_which_endpoints_it_may_use() {
    let scene = scene().await;
    let routes = json!(["/chat/completions", "info_routes"]);
    let made = scene
        .post("/key/generate", json!({"allowed_routes": routes}))
        .await;
    assert_eq!(made["allowed_routes"], routes);
    let key = made["key"].as_str().unwrap();
    let own = scene.get_with(key, "/key/info").await;
    assert_eq!(own.0, StatusCode::OK);
    let typed = json!({"key": key, "key_type": "llm_api"});
    let changed = scene.post("/key/update", typed).await;
    assert_eq!(changed["allowed_routes"], json!(["llm_api_routes"]));
    let (status, refused) = scene.get_with(key, "/key/info").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(refused["error"]["code"], "key_route_access_denied");
}

#[tokio::test]
async fn what_is_no_route_is_a_400() {
    let scene = scene().await;
    for (field, value) in [
        ("allowed_routes", json!(["chat"])),
        ("key_type", json!("x")),
    ] {
        let fault = scene.fault("/key/generate", json!({field: value})).await;
        assert_eq!(fault, (400, json!(field)));
    }
}

#[tokio::test]
async fn a_field_that_nothing_heeds_is_named_in_the_answer() {
    let scene = scene().await;
    let body = json!({
        "key_alias": "a", "guardrails": ["pii"], "permissions": {"x": true}, "config": {},
        "send_invite_email": false, "spend": 0.0, "enforced_params": ["user"], "tpd_limit": 5,
        "auto_rotate": null, "budget_limits": [{"budget_duration": "1h", "max_budget": 1}],
    });
    let made = scene.post("/key/generate", body).await;
    let mut ignored: Vec<String> = serde_json::from_value(made["ignored_fields"].clone()).unwrap();
    ignored.sort_unstable();
    let expected = [
        "budget_limits",
        "enforced_params",
        "guardrails",
        "permissions",
        "tpd_limit",
    ];
    assert_eq!(ignored, expected);
    let made = scene.post("/key/generate", json!({"key_alias": "b"})).await;
    assert_eq!(made.get("ignored_fields"), None);
}
