//! The endpoints, asked without a socket.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use dragoman_policy::cooldown::Verdict;
use dragoman_policy::{Credential, ModelAccess, PriceTable, Principal, Refusal};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tonic::async_trait;
use tower::ServiceExt;

use super::*;
use crate::accounts::{InProcess, WaitOptions};
use crate::authority::AuthorityError;
use crate::ledger::{SqlLedger, WriterGuard, WriterOptions};

const CONFIG: &str = "
model_list:
  - model_name: smart
    litellm_params: {model: openai/gpt-4o, api_key: sk-provider-secret, rpm: 10}
    model_info: {id: d1, mode: chat, max_input_tokens: 128000, input_cost_per_token: 0.0000025, output_cost_per_token: 0.00001}
  - model_name: smart
    litellm_params: {model: anthropic/claude-3-5-sonnet-20241022, api_key: sk-provider-secret, rpm: 5}
    model_info: {id: d2}
  - model_name: 'open/*'
    litellm_params: {model: 'openai/*', api_key: sk-provider-secret}
    model_info: {id: d3}
  - model_name: later
    litellm_params: {model: sagemaker/endpoint}
    model_info: {id: d4}
general_settings: {master_key: sk-master}
litellm_settings: {max_budget: 100}
";

/// Knows the master key and one that may use `smart` only.
struct Keys;

#[async_trait]
impl Authority for Keys {
    async fn authenticate(&self, credential: &Credential) -> Result<Principal, AuthorityError> {
        match credential.secret() {
            "sk-master" => Ok(Principal::master()),
            "sk-few" => Ok(Principal {
                key_id: "few".into(),
                models: ModelAccess::from_list(&["smart"], &ModelAccess::All),
                is_master: false,
                ..Principal::master()
            }),
            _ => Err(Refusal::UnknownKey.into()),
        }
    }
}

/// Finds `d1` well and everything else out of order.
struct OnlyD1;

#[async_trait]
impl Probe for OnlyD1 {
    async fn probe(&self, deployment: &str) -> Result<(), ProbeFailure> {
        match deployment {
            "d1" => Ok(()),
            _ => Err(ProbeFailure("out of order".into())),
        }
    }
}

pub(super) struct Scene {
    pub(super) api: Api,
    pub(super) ledger: Arc<SqlLedger>,
    _guard: WriterGuard,
    folder: tempfile::TempDir,
}

pub(super) async fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dragoman.db");
    let ledger = Arc::new(SqlLedger::open(&file).await.unwrap());
    let (writer, guard) = LedgerWriter::start(ledger.clone(), WriterOptions::default());
    let config = dragoman_config::load(CONFIG, &|_: &str| None).unwrap();
    let live = Live::new(config, &Arc::new(PriceTable::bundled().unwrap())).unwrap();
    let routing = Routing::default();
    routing.configure(&live);
    let api = Api {
        live: Arc::new(ArcSwap::from_pointee(live)),
        authority: Arc::new(Keys),
        routing: Arc::new(routing),
        envoy: Arc::new(EnvoyStatus::default()),
        ledger: ledger.clone(),
        writer,
        accounts: Arc::new(InProcess::new(WaitOptions::default())),
        metrics: recorder().unwrap().handle(),
        probe: None,
    };
    Scene {
        api,
        ledger,
        _guard: guard,
        folder,
    }
}

impl Scene {
    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    async fn send(&self, request: Request<Body>) -> Response {
        let app = app(self.api.clone());
        app.oneshot(request).await.unwrap()
    }

    pub(super) async fn ask(&self, method: Method, path: &str, key: Option<&str>) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(super) async fn get(&self, path: &str, key: Option<&str>) -> (StatusCode, Value) {
        let response = self.ask(Method::GET, path, key).await;
        (response.status(), json_of(response).await)
    }
}

pub(super) async fn text_of(response: Response) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.into()).unwrap()
}

pub(super) async fn json_of(response: Response) -> Value {
    serde_json::from_str(&text_of(response).await).unwrap()
}

pub(super) const MASTER: Option<&str> = Some("sk-master");
pub(super) const FEW: Option<&str> = Some("sk-few");

fn ids(answer: &Value, list: &str, field: &str) -> Vec<String> {
    let list = answer[list].as_array().unwrap();
    let ids = list
        .iter()
        .map(|entry| entry[field].as_str().unwrap().to_owned());
    ids.collect()
}

#[tokio::test]
async fn models_are_listed_with_and_without_v1() {
    let scene = scene().await;
    for path in ["/v1/models", "/models"] {
        let (status, answer) = scene.get(path, MASTER).await;
        assert_eq!(status, 200);
        assert_eq!(ids(&answer, "data", "id"), ["smart", "open/*", "later"]);
        let expected = json!({
            "id": "smart", "object": "model", "created": 1_677_610_602, "owned_by": "openai",
            "mode": "chat", "max_input_tokens": 128_000,
        });
        assert_eq!(answer["data"][0], expected);
    }
}

#[tokio::test]
async fn a_key_sees_the_models_that_it_may_use() {
    let scene = scene().await;
    let (_, answer) = scene.get("/v1/models", FEW).await;
    assert_eq!(ids(&answer, "data", "id"), ["smart"]);
    let (_, answer) = scene.get("/model/info", FEW).await;
    assert_eq!(ids(&answer, "data", "model_name"), ["smart", "smart"]);
}

#[tokio::test]
async fn one_model_is_found_by_name_also_by_a_wildcard() {
    let scene = scene().await;
    for id in ["smart", "open/gpt-4o-mini"] {
        let (status, answer) = scene.get(&format!("/v1/models/{id}"), MASTER).await;
        assert_eq!((status.as_u16(), answer["id"].as_str()), (200, Some(id)));
    }
}

#[tokio::test]
async fn a_model_that_is_not_there_or_not_allowed_is_the_same_404() {
    let scene = scene().await;
    for (id, key) in [("nope", MASTER), ("open/x", FEW)] {
        let (status, answer) = scene.get(&format!("/models/{id}"), key).await;
        assert_eq!(status, 404);
        assert_eq!(answer["error"]["code"], "model_not_found");
    }
}

#[tokio::test]
async fn without_a_valid_key_there_is_nothing_to_see() {
    let scene = scene().await;
    let paths = [
        "/v1/models",
        "/v1/models/smart",
        "/model/info",
        "/model_group/info",
        "/health",
        "/metrics",
        "/spend/logs",
        "/global/spend",
    ];
    for path in paths {
        for key in [None, Some("sk-wrong")] {
            let (status, answer) = scene.get(path, key).await;
            assert_eq!(status, 401, "{path}");
            assert_eq!(answer["error"]["type"], "authentication_error");
        }
    }
}

#[tokio::test]
async fn spend_and_metrics_need_the_master_key() {
    let scene = scene().await;
    for path in ["/metrics", "/spend/logs", "/global/spend"] {
        let (status, answer) = scene.get(path, FEW).await;
        assert_eq!(status, 403, "{path}");
        assert_eq!(answer["error"]["type"], "permission_error");
    }
}

#[tokio::test]
async fn deployments_are_told_without_keys_and_addresses() {
    let scene = scene().await;
    let response = scene.ask(Method::GET, "/v1/model/info", MASTER).await;
    let text = text_of(response).await;
    assert!(
        !text.contains("secret") && !text.contains("api.openai.com"),
        "{text}"
    );
    assert!(
        text.contains(r#""input_cost_per_token":0.0000025"#),
        "{text}"
    );
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        answer["data"][0]["litellm_params"],
        json!({"model": "openai/gpt-4o", "rpm": 10})
    );
    assert_eq!(answer["data"][0]["model_info"]["id"], "d1");
}

#[tokio::test]
async fn a_group_is_the_sum_of_its_deployments() {
    let scene = scene().await;
    let (_, answer) = scene.get("/model_group/info", FEW).await;
    let group = &answer["data"][0];
    assert_eq!(group["providers"], json!(["anthropic", "openai"]));
    assert_eq!(
        (&group["rpm"], &group["mode"]),
        (&json!(15), &json!("chat"))
    );
}

#[tokio::test]
async fn the_process_says_that_it_lives() {
    let scene = scene().await;
    for path in ["/health/liveliness", "/health/liveness"] {
        let (status, answer) = scene.get(path, None).await;
        assert_eq!((status.as_u16(), answer), (200, json!("I'm alive!")));
    }
}

#[tokio::test]
async fn a_service_with_its_ledger_is_ready() {
    let scene = scene().await;
    let (status, answer) = scene.get("/health/readiness", None).await;
    let expected = json!({"status": "healthy", "db": "connected", "envoys": 0});
    assert_eq!((status.as_u16(), answer), (200, expected));
}

#[tokio::test]
async fn a_service_without_its_ledger_is_not_ready_and_says_so() {
    let scene = scene().await;
    scene.ledger.close().await;
    let (status, answer) = scene.get("/health/readiness", None).await;
    assert_eq!(status, 503);
    assert_eq!(answer["failing"][0]["dependency"], "ledger");
    let (status, answer) = scene.get("/global/spend", MASTER).await;
    assert_eq!(status, 503);
    assert_eq!(answer["error"]["type"], "service_unavailable_error");
}

#[tokio::test]
async fn health_tells_what_routing_knows() {
    let scene = scene().await;
    let live = scene.api.live.load();
    let refused = Verdict::Failure {
        status: Some(401),
        retry_after_ms: None,
    };
    let now = crate::clock::now_ms();
    scene.api.routing.record(&live, "d2", refused, None, now);
    let (status, answer) = scene.get("/health", MASTER).await;
    assert_eq!((status.as_u16(), &answer["status"]), (200, &json!("ok")));
    assert_eq!(ids(&answer, "healthy_endpoints", "model_id"), ["d1", "d3"]);
    assert_eq!(
        ids(&answer, "unhealthy_endpoints", "model_id"),
        ["d2", "d4"]
    );
    let counts = (&answer["healthy_count"], &answer["unhealthy_count"]);
    assert_eq!(counts, (&json!(2), &json!(2)));
}

#[tokio::test]
async fn a_probe_asks_each_served_deployment() {
    let mut scene = scene().await;
    scene.api.probe = Some(Arc::new(OnlyD1));
    let (_, answer) = scene.get("/health?probe=true&model=smart", FEW).await;
    assert_eq!(ids(&answer, "healthy_endpoints", "model_id"), ["d1"]);
    assert_eq!(answer["unhealthy_endpoints"][0]["error"], "out of order");
}

#[tokio::test]
async fn where_nothing_can_be_probed_a_probe_is_refused() {
    let scene = scene().await;
    let (status, answer) = scene.get("/health?probe=true", MASTER).await;
    assert_eq!(status, 400);
    assert_eq!(answer["error"]["type"], "invalid_request_error");
}

#[tokio::test]
async fn metrics_are_in_prometheus_form() {
    let scene = scene().await;
    let response = scene.ask(Method::GET, "/metrics", MASTER).await;
    assert_eq!(response.status(), 200);
    let content_type = &response.headers()[header::CONTENT_TYPE];
    assert!(
        content_type
            .to_str()
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
}

#[tokio::test]
async fn an_unknown_path_is_a_404_in_our_shape() {
    let scene = scene().await;
    let (status, answer) = scene.get("/nonexistent", None).await;
    assert_eq!(status, 404);
    assert_eq!(answer["error"]["type"], "invalid_request_error");
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_says_which_is_right() {
    let scene = scene().await;
    for (method, path, allowed) in [
        (Method::POST, "/v1/models", "GET,HEAD"),
        (Method::GET, "/v1/chat/completions", "POST"),
        (Method::DELETE, "/embeddings", "POST"),
    ] {
        let response = scene.ask(method, path, MASTER).await;
        assert_eq!(response.status(), 405, "{path}");
        assert_eq!(response.headers()[header::ALLOW], allowed, "{path}");
        assert_eq!(
            json_of(response).await["error"]["type"],
            "invalid_request_error"
        );
    }
}

#[tokio::test]
async fn anthropic_s_endpoint_fails_in_anthropic_s_shape() {
    let scene = scene().await;
    let (status, answer) = scene.get("/v1/messages", MASTER).await;
    assert_eq!((status.as_u16(), &answer["type"]), (405, &json!("error")));
}

#[tokio::test]
async fn a_browser_s_preflight_is_answered_for_every_path() {
    let scene = scene().await;
    let request = Request::options("/v1/chat/completions")
        .header(header::ORIGIN, "https://chat.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            "authorization,content-type",
        );
    let response = scene.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(headers[header::ACCESS_CONTROL_MAX_AGE], "600");
    let echoed = &headers[header::ACCESS_CONTROL_ALLOW_HEADERS];
    assert_eq!(echoed, "authorization,content-type");
    assert_eq!(text_of(response).await, "OK");
}

#[tokio::test]
async fn any_origin_may_read_an_answer_also_an_error() {
    let scene = scene().await;
    let request = Request::get("/v1/models").header(header::ORIGIN, "https://chat.example");
    let response = scene.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
}

#[tokio::test]
async fn a_person_finds_a_page() {
    let scene = scene().await;
    let response = scene.ask(Method::GET, "/", None).await;
    assert_eq!(response.status(), 200);
    assert!(text_of(response).await.contains("/v1/chat/completions"));
}
