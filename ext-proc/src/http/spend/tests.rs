//! The endpoints of spend, asked without a socket.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use axum::response::Response;
use dragoman_policy::NanoDollars;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::clock;
use crate::http::app_with_keys;
use crate::http::manage::{self, LedgerSpend, Manage};
use crate::http::tests::{FEW, MASTER, Scene, json_of, scene, text_of};
use crate::ledger::contract::{keep_nothing, record};
use crate::ledger::{Batch, Record, RequestRow, State};
use crate::store::{Database, SqlKeyStore};

/// 2025-11-20, 00:53:20 UTC.
const AT: u64 = 1_763_600_000_000;
const DAY: u64 = asked::MS_PER_DAY;
const DATES: &str = "start_date=2025-11-20&end_date=2025-11-21";

fn with(mut record: Record, change: impl FnOnce(&mut RequestRow)) -> Record {
    change(&mut record.request);
    record
}

/// Three requests on two days; the last is another key's, team's and model's, and dearer.
async fn recorded() -> Scene {
    let scene = scene().await;
    let dear = with(record("c", AT + DAY), |row| {
        row.identity.key_id = "key-2".into();
        row.identity.user_id = None;
        row.identity.team_id = None;
        row.identity.end_user = Some("=cmd()".into());
        row.target.model = Some("gpt-5".into());
        row.charge.cost = Some(NanoDollars::new(2_000_000_001));
        row.tags = vec!["blue".into()];
    });
    let records = vec![record("a", AT), record("b", AT + 1), dear];
    scene.ledger.record(&Batch::new(records)).await.unwrap();
    scene
}

async fn asked(scene: &Scene, path: &str) -> Response {
    scene.ask(Method::GET, path, MASTER).await
}

async fn text(scene: &Scene, path: &str) -> String {
    let response = asked(scene, path).await;
    assert_eq!(response.status(), 200, "{path}");
    text_of(response).await
}

fn ids(rows: &Value) -> Vec<&str> {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row["request_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn logs_have_litellm_s_names_and_exact_amounts() {
    let scene = recorded().await;
    let (_, answer) = scene.get("/spend/logs?request_id=a", MASTER).await;
    assert_eq!(ids(&answer), ["a"]);
    let row = &answer[0];
    assert_eq!(row["spend"].to_string(), "1.5e-6");
    assert_eq!(
        (&row["prompt_tokens"], &row["total_tokens"]),
        (&json!(20), &json!(30))
    );
    assert_eq!(row["startTime"], "2025-11-20T00:53:20Z");
    assert_eq!(
        (&row["model"], &row["status"]),
        (&json!("openai/gpt-4o"), &json!("success"))
    );
}

#[tokio::test]
async fn logs_are_narrowed_by_what_is_asked() {
    let scene = recorded().await;
    for (query, expected) in [
        ("", vec!["c", "b", "a"]),
        ("?api_key=key-2", vec!["c"]),
        ("?user_id=user-1", vec!["b", "a"]),
        ("?team_id=team-1", vec!["b", "a"]),
        ("?model=smart&limit=1", vec!["c"]),
        ("?end_date=2025-11-20", vec!["b", "a"]),
        ("?start_date=2025-11-21%2000:00:00", vec!["c"]),
        (
            "?summarize=false&start_date=2025-11-20&end_date=2025-11-20",
            vec!["b", "a"],
        ),
    ] {
        let (_, answer) = scene.get(&format!("/spend/logs{query}"), MASTER).await;
        assert_eq!(ids(&answer), expected, "{query}");
    }
}

#[tokio::test]
async fn a_full_page_says_where_the_next_one_is() {
    let scene = recorded().await;
    let mut query = "?team_id=team-1&limit=1".to_owned();
    let mut walked = Vec::new();
    for _ in 0..2 {
        let response = asked(&scene, &format!("/spend/logs{query}")).await;
        let link = response.headers()[header::LINK]
            .to_str()
            .unwrap()
            .to_owned();
        let next = link.strip_prefix('<').and_then(|link| link.split_once('>'));
        query = next.unwrap().0.to_owned();
        walked.extend(ids(&json_of(response).await).into_iter().map(str::to_owned));
    }
    assert_eq!(walked, ["b", "a"]);
    let response = asked(&scene, &format!("/spend/logs{query}")).await;
    assert!(!response.headers().contains_key(header::LINK));
}

#[tokio::test]
async fn between_two_dates_logs_are_the_sums_of_days() {
    let scene = recorded().await;
    let text = text(&scene, &format!("/spend/logs?{DATES}")).await;
    let expected = concat!(
        r#"[{"key-1":0.000003,"startTime":"2025-11-20","spend":0.000003,"#,
        r#""users":{"user-1":0.000003},"models":{"openai/gpt-4o":0.000003}},"#,
        r#"{"key-2":2.000000001,"startTime":"2025-11-21","spend":2.000000001,"#,
        r#""users":{"":2.000000001},"models":{"openai/gpt-5":2.000000001}}]"#,
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn what_does_not_read_is_named() {
    let scene = scene().await;
    for (path, param) in [
        ("/spend/logs?end_date=tomorrow", json!("end_date")),
        ("/spend/tags?format=xml", json!("format")),
        ("/spend/logs?limit=many", Value::Null),
        (
            "/global/spend/report?group_by=colour&start_date=2025-11-20",
            Value::Null,
        ),
        ("/global/spend/report?start_date=2025-11-20", Value::Null),
    ] {
        let (status, answer) = scene.get(path, MASTER).await;
        let error = &answer["error"];
        assert_eq!((status.as_u16(), &error["param"]), (400, &param), "{path}");
        assert_eq!(error["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn only_the_master_key_sees_spend() {
    let scene = scene().await;
    for path in [
        "/spend/logs",
        "/spend/keys",
        "/spend/users",
        "/spend/tags",
        "/global/spend",
        "/global/spend/logs",
        "/global/spend/keys",
        "/global/spend/models",
        "/global/spend/report",
    ] {
        assert_eq!(scene.get(path, FEW).await.0, 403, "{path}");
        assert_eq!(scene.get(path, None).await.0, 401, "{path}");
    }
}

#[tokio::test]
async fn global_spend_is_the_sum_and_its_budget() {
    let scene = recorded().await;
    let expected = r#"{"spend":2.000003001,"max_budget":100,"unpriced_requests":0}"#;
    assert_eq!(text(&scene, "/global/spend").await, expected);
}

#[tokio::test]
async fn sums_come_the_dearest_first() {
    let scene = recorded().await;
    for (path, expected) in [
        (
            "/spend/tags",
            concat!(
                r#"[{"individual_request_tag":"blue","log_count":1,"total_spend":2.000000001},"#,
                r#"{"individual_request_tag":"a,b","log_count":2,"total_spend":0.000003},"#,
                r#"{"individual_request_tag":"c","log_count":2,"total_spend":0.000003}]"#,
            ),
        ),
        (
            "/global/spend/models?limit=1",
            r#"[{"model":"openai/gpt-5","total_spend":2.000000001}]"#,
        ),
        (
            "/global/spend/logs?start_date=2025-11-21",
            r#"[{"date":"2025-11-21","spend":2.000000001}]"#,
        ),
        (
            "/spend/users?user_id=user-1",
            concat!(
                r#"[{"user_id":"user-1","user_alias":null,"user_email":null,"#,
                r#""spend":0.000003,"total_tokens":60,"api_requests":2}]"#,
            ),
        ),
        (
            "/global/spend/keys?limit=1",
            r#"[{"api_key":"key-2","key_alias":null,"key_name":null,"total_spend":2.000000001}]"#,
        ),
    ] {
        assert_eq!(text(&scene, path).await, expected, "{path}");
    }
}

#[tokio::test]
async fn a_report_tells_days_apart_and_what_they_are_made_of() {
    let scene = recorded().await;
    let path = format!("/global/spend/report?{DATES}");
    let (_, report) = scene.get(&path, MASTER).await;
    let part = |model: &str, key: &str, spend: &str, requests: u64| {
        let spend: serde_json::Number = spend.parse().unwrap();
        json!({
            "model": model, "api_key": key, "spend": spend,
            "total_tokens": 30 * requests, "api_requests": requests,
        })
    };
    let expected = json!([
        {"group_by_day": "2025-11-20T00:00:00+00:00", "teams": [{
            "team_name": "team-1", "team_id": "team-1", "total_spend": 0.000_003,
            "api_requests": 2,
            "metadata": [part("openai/gpt-4o", "key-1", "0.000003", 2)],
        }]},
        {"group_by_day": "2025-11-21T00:00:00+00:00", "teams": [{
            "team_name": "Unassigned", "team_id": null, "total_spend": 2.000_000_001,
            "api_requests": 1,
            "metadata": [part("openai/gpt-5", "key-2", "2.000000001", 1)],
        }]},
    ]);
    assert_eq!(report, expected);
}

#[tokio::test]
async fn a_report_is_grouped_by_what_is_asked() {
    let scene = recorded().await;
    for (group_by, list, name, expected) in [
        ("team", "teams", "team_name", "team-1"),
        ("api_key", "api_keys", "api_key", "key-1"),
        ("customer", "customers", "customer", "ü \"quoted\""),
        ("user", "users", "user", "user-1"),
        ("model", "models", "model", "openai/gpt-4o"),
    ] {
        let path = format!("/global/spend/report?group_by={group_by}&{DATES}");
        let (_, report) = scene.get(&path, MASTER).await;
        assert_eq!(report[0][list][0][name], expected, "{report}");
        assert_eq!(report.as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_report_in_csv_has_exact_decimals_and_runs_nothing() {
    let scene = recorded().await;
    let path = format!("/global/spend/report?group_by=customer&format=csv&{DATES}");
    let response = asked(&scene, &path).await;
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/csv; charset=utf-8"
    );
    let expected = "date,customer,provider_model,key,requests,incomplete,unpriced,input_tokens,\
        cached_tokens,cache_write_tokens,output_tokens,reasoning_tokens,spend\r\n\
        2025-11-20,\"ü \"\"quoted\"\"\",openai/gpt-4o,key-1,2,0,0,40,10,2,20,6,0.000003\r\n\
        2025-11-21,\"'=cmd()\",openai/gpt-5,key-2,1,0,0,20,5,1,10,3,2.000000001\r\n";
    assert_eq!(text_of(response).await, expected);
}

#[tokio::test]
async fn whoever_accepts_csv_gets_it() {
    let scene = recorded().await;
    let request = Request::get("/spend/logs?limit=1")
        .header(header::AUTHORIZATION, "Bearer sk-master")
        .header(header::ACCEPT, "text/csv");
    let app = crate::http::app(scene.api.clone());
    let response = app.oneshot(request.body(Body::empty()).unwrap()).await;
    let text = text_of(response.unwrap()).await;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("request_id,start_time,"));
    assert!(lines[1].starts_with("c,2025-11-21T00:53:20Z,90,"), "{text}");
    assert!(lines[1].contains(",2.000000001,2026-11,success,complete,200,2,blue"));
}

#[tokio::test]
async fn without_spend_logs_sums_are_all_there_is() {
    let scene = scene().await;
    let failed = with(record("a", AT), |row| row.state = State::Failed);
    let batch = keep_nothing(vec![failed]);
    scene.ledger.record(&batch).await.unwrap();
    assert_eq!(text(&scene, "/spend/logs").await, "[]");
    let days = text(&scene, &format!("/spend/logs?{DATES}")).await;
    assert!(days.contains(r#""spend":0.0000015"#), "{days}");
}

/// The service with a store of keys.
async fn with_keys(scene: &Scene) -> Router {
    let database = Database::sqlite(&scene.folder().join("keys.db")).await;
    let store: Arc<dyn KeyStore> = Arc::new(SqlKeyStore::new(database.unwrap()));
    let manage = Manage {
        authority: Arc::clone(&scene.api.authority),
        store: Arc::clone(&store),
        spend: Arc::new(LedgerSpend(scene.ledger.clone())),
        now: clock::now_ms,
    };
    app_with_keys(scene.api.clone(), store).merge(manage::routes(manage))
}

async fn send(app: &Router, method: Method, path: &str, body: Value) -> Value {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, "Bearer sk-master")
        .body(Body::from(body.to_string()))
        .unwrap();
    json_of(app.clone().oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn a_regenerated_key_is_found_by_itself_and_by_either_hash() {
    let scene = scene().await;
    let app = with_keys(&scene).await;
    let made = send(
        &app,
        Method::POST,
        "/key/generate",
        json!({"key_alias": "ours"}),
    )
    .await;
    let old = made["key"].as_str().unwrap();
    let id = made["token"].as_str().unwrap();
    let owned = with(record("a", AT), |row| row.identity.key_id = id.to_owned());
    let batch = Batch::new(vec![owned, record("b", AT)]);
    scene.ledger.record(&batch).await.unwrap();
    let path = format!("/key/{old}/regenerate");
    let regenerated = send(&app, Method::POST, &path, json!({})).await;
    let (new, token) = (&regenerated["key"], &regenerated["token"]);
    for key in [old, id, new.as_str().unwrap(), token.as_str().unwrap()] {
        let path = format!("/spend/logs?api_key={key}");
        let rows = send(&app, Method::GET, &path, Value::Null).await;
        assert_eq!(ids(&rows), ["a"], "{key}");
    }
    let keys = send(&app, Method::GET, "/spend/keys", Value::Null).await;
    let ours = keys
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["token"] == *token);
    let ours = ours.expect("the key's sums");
    assert_eq!(
        (&ours["key_alias"], &ours["api_requests"]),
        (&json!("ours"), &json!(1))
    );
    assert_eq!(ours["models"], json!([]), "as /key/info has it");
}

#[tokio::test]
async fn a_report_calls_teams_by_their_names() {
    let scene = recorded().await;
    let app = with_keys(&scene).await;
    let team = json!({"team_id": "team-1", "team_alias": "Research"});
    send(&app, Method::POST, "/team/new", team).await;
    let path = format!("/global/spend/report?{DATES}");
    let report = send(&app, Method::GET, &path, Value::Null).await;
    assert_eq!(report[0]["teams"][0]["team_name"], "Research");
}
