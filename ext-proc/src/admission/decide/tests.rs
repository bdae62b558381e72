//! Who may ask for what, and where it goes.

use std::collections::HashMap;

use dragoman_policy::PriceTable;
use dragoman_proto::{Extent, Overrides};

use super::*;
use crate::accounts::{InProcess, WaitOptions};
use crate::authority::testing::MasterKey;
use crate::authority::{AuthorityError, Unavailable};

const CONFIG: &str = "
model_list:
  - model_name: smart
    litellm_params: {model: anthropic/claude-x, api_key: k, timeout: 30, stream_timeout: 5}
  - model_name: fast
    litellm_params: {model: openai/gpt-x, api_key: k, timeout: 10}
  - model_name: far/*
    litellm_params: {model: openrouter/*, api_key: k}
router_settings: {num_retries: 1}
litellm_settings:
  fallbacks: [{smart: [fast]}]
general_settings: {master_key: sk-master, completion_model: fast}
";

impl Headers for HashMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        HashMap::get(self, name).map(String::as_str)
    }
}

fn admitter() -> Admitter {
    admitter_of(MasterKey::new("sk-master"))
}

fn admitter_of(authority: impl Authority) -> Admitter {
    admitter_with(CONFIG, authority, InProcess::new(WaitOptions::default()))
}

fn admitter_with(config: &str, authority: impl Authority, accounts: impl Accounts) -> Admitter {
    let config = dragoman_config::load(config, &|_: &str| None).unwrap();
    let live = Live::new(config, &Arc::new(PriceTable::empty())).unwrap();
    Admitter::new(
        Arc::new(ArcSwap::from_pointee(live)),
        Arc::new(authority),
        Arc::default(),
        Arc::new(accounts),
    )
}

fn facts(model: Option<&str>) -> Facts {
    Facts {
        model: model.map(str::to_owned),
        operation: Operation::ChatCompletions,
        stream: false,
        prompt_tokens: 7,
        prompt_bound: 70,
        extent: Extent::default(),
        max_tokens: None,
        choices: 1,
        user: Some("ann".into()),
        demands: Vec::new(),
        path: "/v1/chat/completions".into(),
        arriving: false,
        overrides: Overrides::default(),
    }
}

async fn decide(facts: &Facts, key: Option<&str>) -> Result<Admitted, Denied> {
    decide_by(admitter(), facts, key).await
}

async fn decide_by(
    admitter: Admitter,
    facts: &Facts,
    key: Option<&str>,
) -> Result<Admitted, Denied> {
    decide_at(&admitter, facts, key, 1_763_600_000_000).await
}

async fn decide_at(
    admitter: &Admitter,
    facts: &Facts,
    key: Option<&str>,
    now_ms: u64,
) -> Result<Admitted, Denied> {
    let (name, value) = facts.to_header();
    let mut headers = HashMap::from([(name.to_owned(), value)]);
    if let Some(key) = key {
        headers.insert("authorization".into(), format!("Bearer {key}"));
    }
    admitter.decide(&headers, now_ms).await
}

async fn admitted(facts: &Facts) -> Admitted {
    decide(facts, Some("sk-master"))
        .await
        .expect("the request is admitted")
}

#[tokio::test]
async fn without_a_key_there_is_a_401() {
    assert_eq!(
        decide(&facts(Some("fast")), None)
            .await
            .unwrap_err()
            .error
            .status(),
        401
    );
    let wrong = decide(&facts(Some("fast")), Some("sk-wrong")).await;
    assert_eq!(wrong.unwrap_err().error.status(), 401);
}

#[tokio::test]
async fn an_unknown_model_is_a_404() {
    let denied = decide(&facts(Some("nope")), Some("sk-master"))
        .await
        .unwrap_err();
    assert_eq!(denied.error.kind, ErrorKind::ModelNotFound);
}

#[tokio::test]
async fn a_denial_is_in_the_client_s_dialect() {
    let facts = Facts {
        operation: Operation::Messages,
        ..facts(Some("fast"))
    };
    assert_eq!(
        decide(&facts, None).await.unwrap_err().dialect,
        ClientDialect::Anthropic
    );
}

#[tokio::test]
async fn the_plan_has_the_retries_and_then_the_fallback() {
    let admitted = admitted(&facts(Some("smart"))).await;
    assert_eq!(admitted.plan.clusters.len(), 3);
    assert_eq!(admitted.plan.clusters[0], admitted.plan.clusters[1]);
    assert_ne!(admitted.plan.clusters[1], admitted.plan.clusters[2]);
    assert_eq!(admitted.admission.fallbacks, [0, 0, 1]);
}

#[tokio::test]
async fn the_plan_leaves_out_who_cannot_express_the_request() {
    let with = |demands: &[&str], drop_params| {
        let demands = demands.iter().map(ToString::to_string).collect();
        let overrides = Overrides {
            drop_params,
            ..Overrides::default()
        };
        Facts {
            demands,
            overrides,
            ..facts(Some("smart"))
        }
    };
    let fallbacks = async |facts| admitted(&facts).await.admission.fallbacks;
    assert_eq!(fallbacks(with(&["seed"], None)).await, [1]);
    assert_eq!(fallbacks(with(&["temperature"], None)).await, [0, 0, 1]);
    assert_eq!(fallbacks(with(&["seed"], Some(true))).await, [0, 0, 1]);
    assert_eq!(fallbacks(with(&["sound"], Some(true))).await, [1]);
    assert_eq!(fallbacks(with(&["unheard of"], None)).await, [0, 0, 1]);
}

#[tokio::test]
async fn an_attempt_has_the_longest_time_of_its_plan_and_the_request_the_sum() {
    let admitted = admitted(&facts(Some("smart"))).await;
    assert_eq!(admitted.attempt_timeout, Duration::from_secs(30));
    assert_eq!(admitted.total_timeout, Duration::from_secs(90));
}

#[tokio::test]
async fn a_stream_s_first_token_has_its_own_timeout() {
    let streaming = Facts {
        stream: true,
        ..facts(Some("smart"))
    };
    let admitted = admitted(&streaming).await;
    assert_eq!(admitted.attempt_timeout, Duration::from_secs(10));
    assert!(admitted.total_timeout > STREAM_LIMIT);
}

#[tokio::test]
async fn what_a_client_takes_to_send_is_no_time_of_an_attempt_s() {
    let whole = admitted(&facts(Some("smart"))).await;
    let arriving = Facts {
        arriving: true,
        ..facts(Some("smart"))
    };
    let arriving = admitted(&arriving).await;
    let timed = |admitted: &Admitted| {
        let clusters = admitted.plan.clusters.iter();
        clusters.filter(|name| is_timed(name)).count()
    };
    assert!(timed(&whole) > 0);
    assert_eq!(timed(&arriving), 0);
    assert_eq!(arriving.attempt_timeout, whole.attempt_timeout);
}

/// Whether a cluster bounds an attempt from its beginning.
fn is_timed(cluster: &str) -> bool {
    dragoman_envoy::deployment_of(cluster)
        .is_some_and(|deployment| cluster == timed_cluster_name(deployment))
}

#[tokio::test]
async fn a_client_may_set_timeout_retries_and_fallbacks() {
    let overrides = Overrides {
        disable_fallbacks: true,
        num_retries: Some(0),
        timeout_ms: Some(1500),
        ..Overrides::default()
    };
    let admitted = admitted(&Facts {
        overrides,
        ..facts(Some("smart"))
    })
    .await;
    assert_eq!(admitted.plan.clusters.len(), 1);
    assert_eq!(admitted.attempt_timeout, Duration::from_millis(1500));
}

#[tokio::test]
async fn a_request_without_a_model_goes_to_completion_model() {
    assert_eq!(admitted(&facts(None)).await.admission.alias, "fast");
    let embeddings = Facts {
        operation: Operation::Embeddings,
        ..facts(None)
    };
    let denied = decide(&embeddings, Some("sk-master")).await.unwrap_err();
    assert_eq!(
        (denied.error.status(), denied.error.param.as_deref()),
        (400, Some("model"))
    );
}

#[tokio::test]
async fn what_a_wildcard_stands_for_is_told_for_each_attempt() {
    let admitted = admitted(&facts(Some("far/meta/llama"))).await;
    assert_eq!(admitted.admission.captured, ["meta/llama", "meta/llama"]);
    assert_eq!(admitted.admission.alias, "far/meta/llama");
}

#[tokio::test]
async fn the_admission_never_holds_the_key() {
    let admitted = admitted(&facts(Some("fast"))).await;
    assert_eq!(admitted.admission.key_id, "master");
    assert!(!admitted.admission.encode().contains("sk-master"));
}

/// Answers the same to everyone.
struct Always(Result<Principal, AuthorityError>);

#[tonic::async_trait]
impl Authority for Always {
    async fn authenticate(&self, _: &Credential) -> Result<Principal, AuthorityError> {
        self.0.clone()
    }
}

#[tokio::test]
async fn a_key_s_own_name_of_a_model_goes_where_the_model_does() {
    let principal = Principal {
        aliases: [("mine".to_owned(), "fast".to_owned())].into(),
        models: dragoman_policy::ModelAccess::from_list(
            &["fast"],
            &dragoman_policy::ModelAccess::All,
        ),
        tags: vec!["prod".into()],
        ..Principal::master()
    };
    let by = |model| {
        let admitter = admitter_of(Always(Ok(principal.clone())));
        async move { decide_by(admitter, &facts(Some(model)), Some("sk-1")).await }
    };
    let (mine, fast) = (by("mine").await.unwrap(), by("fast").await.unwrap());
    assert_eq!(mine.plan, fast.plan);
    assert_eq!(
        (&*mine.admission.alias, &*mine.admission.tags),
        ("mine", &["prod".to_owned()][..])
    );
}

#[tokio::test]
async fn a_database_that_is_down_is_a_503_and_no_401() {
    let unavailable = Unavailable {
        dependency: "the PostgreSQL database",
    };
    let admitter = admitter_of(Always(Err(unavailable.into())));
    let denied = decide_by(admitter, &facts(Some("fast")), Some("sk-1")).await;
    let error = denied.unwrap_err().error;
    assert_eq!((error.status(), error.retry_after.is_some()), (503, true));
    assert!(error.message.contains("PostgreSQL"), "{error}");
}

#[tokio::test]
async fn a_budget_begins_anew_with_its_window_and_not_when_the_clock_is_set_back() {
    let config = "
model_list:
  - model_name: m
    litellm_params: {model: openai/gpt-x, api_key: k}
    model_info: {input_cost_per_token: 0, output_cost_per_token: 0.001}
litellm_settings: {max_budget: 0.01, budget_duration: 30s}
general_settings: {master_key: sk-master}
";
    let at_once = WaitOptions {
        patience: Duration::ZERO,
        ..WaitOptions::default()
    };
    let authority = MasterKey::new("sk-master");
    let admitter = admitter_with(config, authority, InProcess::new(at_once));
    let ten_tokens = Facts {
        max_tokens: Some(10),
        ..facts(Some("m"))
    };
    let (evening, midnight) = (1_769_903_990_000, 1_769_904_000_000);
    for (now_ms, passes) in [
        (evening, true),
        (midnight - 1, false),
        (midnight, true),
        (midnight + 1, false),
        (midnight - 1, false),
        (midnight + 29_999, false),
        (midnight + 30_000, true),
    ] {
        let decided = decide_at(&admitter, &ten_tokens, Some("sk-master"), now_ms).await;
        let status = decided.map_or_else(|denied| denied.error.status(), |_| 200);
        assert_eq!(status, if passes { 200 } else { 429 }, "at {now_ms}");
    }
}
