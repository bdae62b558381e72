//! `/team/*`, `/user/*` and `/budget/*`.

use super::*;

async fn team_of_one(scene: &Scene) {
    let body = json!({
        "team_alias": "team A", "team_id": "team-1", "max_budget": 0.05, "models": ["a", "b"],
        "tpm_limit": 10000, "rpm_limit": 100, "metadata": {"k": "v"}, "budget_duration": "1d",
        "model_aliases": {"x": "a"}
    });
    let team = scene.post("/team/new", body).await;
    let expected = json!({
        "team_alias": "team A", "team_id": "team-1", "max_budget": 0.05, "models": ["a", "b"],
        "blocked": false, "members_with_roles": [], "budget_reset_at": "2026-11-21T00:00:00Z",
        "model_aliases": {"x": "a"}, "spend": 0.01
    });
    assert_holds(&team, &expected);
    let member = json!({"user_id": "u-1", "user_email": "a@b.c", "role": "user"});
    let body = json!({"team_id": "team-1", "member": member, "max_budget_in_team": 2});
    let added = scene.post("/team/member_add", body).await;
    assert_eq!(added["members_with_roles"], json!([member]));
    let membership = &added["updated_team_memberships"][0];
    assert_eq!(membership["litellm_budget_table"]["max_budget"], 2);
    assert_eq!(added["updated_users"][0]["teams"], json!(["team-1"]));
}

#[tokio::test]
async fn a_team_has_members_and_keys() {
    let scene = scene().await;
    team_of_one(&scene).await;
    let key = scene
        .key(json!({"team_id": "team-1", "user_id": "u-1"}))
        .await;
    let info = scene.get("/team/info?team_id=team-1").await;
    assert_eq!(info["team_info"]["members_with_roles"][0]["user_id"], "u-1");
    assert_eq!(info["keys"][0]["token"], KeyHash::of(&key).to_hex());
    assert_eq!(info["team_memberships"][0]["role"], "user");
    let listed = scene.get("/team/list?user_id=u-1").await;
    assert_eq!(listed[0]["team_id"], "team-1");
    assert_eq!(scene.get("/team/list?user_id=u-2").await, json!([]));
}

#[tokio::test]
async fn a_blocked_team_s_keys_do_not_work() {
    let scene = scene().await;
    team_of_one(&scene).await;
    let key = scene.key(json!({"team_id": "team-1"})).await;
    assert!(scene.works(&key).await);
    let team = scene
        .post("/team/block", json!({"team_id": "team-1"}))
        .await;
    assert_eq!(team["blocked"], true);
    assert!(!scene.works(&key).await);
    scene
        .post("/team/unblock", json!({"team_id": "team-1"}))
        .await;
    assert!(scene.works(&key).await);
}

#[tokio::test]
async fn a_team_changes_where_an_update_names_it() {
    let scene = scene().await;
    team_of_one(&scene).await;
    let body = json!({"team_id": "team-1", "max_budget": null, "rpm_limit": 7});
    let reply = scene.post("/team/update", body).await;
    assert_eq!(reply["team_id"], "team-1");
    let expected = json!({"max_budget": null, "rpm_limit": 7, "tpm_limit": 10000});
    assert_holds(&reply["data"], &expected);
}

#[tokio::test]
async fn who_leaves_a_team_loses_the_keys_in_it() {
    let scene = scene().await;
    team_of_one(&scene).await;
    let lost = scene
        .key(json!({"team_id": "team-1", "user_id": "u-1"}))
        .await;
    let kept = scene.key(json!({"user_id": "u-1"})).await;
    let body = json!({"team_id": "team-1", "user_email": "a@b.c"});
    let team = scene.post("/team/member_delete", body.clone()).await;
    assert_eq!(team["members_with_roles"], json!([]));
    assert!(!scene.works(&lost).await && scene.works(&kept).await);
    assert_eq!(scene.fault("/team/member_delete", body).await.0, 404);
}

#[tokio::test]
async fn a_deleted_team_s_keys_are_deleted_too() {
    let scene = scene().await;
    team_of_one(&scene).await;
    let key = scene.key(json!({"team_id": "team-1"})).await;
    assert!(scene.works(&key).await);
    let both = json!({"team_ids": ["team-1", "none"]});
    assert_eq!(scene.fault("/team/delete", both).await.0, 404);
    assert!(scene.works(&key).await);
    let reply = scene
        .post("/team/delete", json!({"team_ids": ["team-1"]}))
        .await;
    assert_eq!(reply, json!({"deleted_teams": ["team-1"]}));
    assert!(!scene.works(&key).await);
}

#[tokio::test]
async fn faults_in_requests_about_teams_are_named() {
    let scene = scene().await;
    team_of_one(&scene).await;
    for (path, body, fault) in [
        ("/team/new", json!({"team_id": "team-1"}), (400, "team_id")),
        ("/team/update", json!({}), (400, "team_id")),
        ("/team/update", json!({"team_id": "none"}), (404, "team_id")),
        ("/team/block", json!({"team_id": "none"}), (404, "team_id")),
        ("/team/delete", json!({"team_ids": []}), (400, "team_ids")),
        (
            "/team/member_add",
            json!({"team_id": "team-1"}),
            (400, "member"),
        ),
        (
            "/team/member_add",
            json!({"team_id": "team-1", "member": {}}),
            (400, "user_id"),
        ),
        (
            "/team/member_add",
            json!({"team_id": "team-1", "member": {"user_id": "u", "role": "boss"}}),
            (400, "role"),
        ),
    ] {
        let found = scene.fault(path, body.clone()).await;
        assert_eq!(found, (fault.0, json!(fault.1)), "{path} {body}");
    }
}

#[tokio::test]
async fn a_new_user_comes_with_a_key() {
    let scene = scene().await;
    team_of_one(&scene).await;
    let body = json!({
        "user_id": "u-2", "user_email": "d@e.f", "max_budget": 1.5, "budget_duration": "1d",
        "user_role": "internal_user", "models": ["a"], "teams": ["team-1"], "key_alias": "k"
    });
    let user = scene.post("/user/new", body).await;
    let expected = json!({
        "user_id": "u-2", "user_email": "d@e.f", "max_budget": 1.5, "models": ["a"],
        "user_role": "internal_user", "teams": ["team-1"], "key_alias": "k",
        "budget_reset_at": "2026-11-21T00:00:00Z"
    });
    assert_holds(&user, &expected);
    let key = user["key"].as_str().unwrap();
    let own = scene.info(key).await;
    assert_holds(
        &own,
        &json!({"user_id": "u-2", "models": ["a"], "max_budget": null}),
    );
    let info = scene.get("/user/info?user_id=u-2").await;
    assert_eq!(info["user_info"]["spend"], 0.01);
    assert_eq!(info["keys"][0]["key_alias"], "k");
    assert_eq!(info["teams"][0]["team_id"], "team-1");
}

#[tokio::test]
async fn a_user_may_come_without_a_key() {
    let scene = scene().await;
    let user = scene
        .post("/user/new", json!({"auto_create_key": false}))
        .await;
    assert_eq!((&user["key"], &user["token"]), (&json!(""), &Value::Null));
    assert!(!user["user_id"].as_str().unwrap().is_empty());
    assert_eq!(scene.get("/key/list").await["total_count"], 0);
}

#[tokio::test]
async fn a_user_that_cannot_have_its_key_is_not_made() {
    let scene = scene().await;
    scene.key(json!({"key_alias": "k"})).await;
    let body = json!({"user_id": "u-1", "key_alias": "k"});
    assert_eq!(
        scene.fault("/user/new", body).await,
        (400, json!("key_alias"))
    );
    assert_eq!(scene.get("/user/list").await["total"], 0);
}

#[tokio::test]
async fn users_are_changed_listed_and_deleted() {
    let scene = scene().await;
    let user = scene
        .post(
            "/user/new",
            json!({"user_id": "u-1", "user_email": "a@b.c"}),
        )
        .await;
    let key = user["key"].as_str().unwrap();
    let body = json!({"user_id": "u-1"});
    assert_eq!(
        scene.fault("/user/new", body).await,
        (409, json!("user_id"))
    );
    let body = json!({"user_email": "a@b.c", "max_budget": 2});
    let reply = scene.post("/user/update", body).await;
    assert_eq!(
        (&reply["user_id"], &reply["data"]["max_budget"]),
        (&json!("u-1"), &json!(2))
    );
    let listed = scene.get("/user/list?page_size=1").await;
    assert_holds(
        &listed,
        &json!({"total": 1, "page": 1, "page_size": 1, "total_pages": 1}),
    );
    assert_eq!(listed["users"][0]["key_count"], 1);
    assert!(scene.works(key).await);
    assert_eq!(
        scene
            .post("/user/delete", json!({"user_ids": ["u-1"]}))
            .await,
        1
    );
    assert!(!scene.works(key).await);
    let gone = json!({"user_ids": ["u-1"]});
    assert_eq!(
        scene.fault("/user/delete", gone).await,
        (404, json!("user_ids"))
    );
    let gone = json!({"user_id": "u-1", "max_budget": 1});
    assert_eq!(
        scene.fault("/user/update", gone).await,
        (404, json!("user_id"))
    );
}

#[tokio::test]
async fn a_budget_is_a_template_for_keys() {
    let scene = scene().await;
    let body = json!({
        "budget_id": "b-1", "max_budget": 0.05, "soft_budget": 0.02, "budget_duration": "1d",
        "rpm_limit": 5, "tpm_limit": 10000, "max_parallel_requests": 2
    });
    let made = scene.post("/budget/new", body.clone()).await;
    assert_holds(&made, &body);
    assert_eq!(made["budget_reset_at"], "2026-11-21T00:00:00Z");
    let again = json!({"budget_id": "b-1"});
    assert_eq!(
        scene.fault("/budget/new", again).await,
        (400, json!("budget_id"))
    );
    let key = scene.key(json!({"budget_id": "b-1"})).await;
    let table = &scene.info(&key).await["litellm_budget_table"];
    assert_eq!(table["max_budget"], 0.05);

    let reply = scene
        .post(
            "/budget/update",
            json!({"budget_id": "b-1", "max_budget": 100}),
        )
        .await;
    assert_holds(&reply, &json!({"max_budget": 100, "rpm_limit": 5}));
    let found = scene
        .post("/budget/info", json!({"budgets": ["b-1", "none"]}))
        .await;
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(scene.get("/budget/list").await[0]["budget_id"], "b-1");
    scene.post("/budget/delete", json!({"id": "b-1"})).await;
    assert_eq!(scene.info(&key).await["budget_id"], Value::Null);
    assert_eq!(
        scene.fault("/budget/delete", json!({"id": "b-1"})).await,
        (404, json!("id"))
    );
}
