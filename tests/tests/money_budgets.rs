//! Budgets: what is refused and how, for whom, and what happens short of it.

use dragoman_tests::{
    harness::{Config, Key, Reply, Setup, Shared, Stack, eventually, run},
    provider::ScriptedProvider,
};
use serde_json::{Value, json};

struct Fixture {
    stack: Stack,
    provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

/// `hello` has 5 tokens of input and 3 of output: 11 millionths of a dollar.
fn price() -> Value {
    json!({"input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_002})
}

const HELLO_NANOS: i64 = 11_000;
/// Dollars for some of them, in view of the longest answer that each of them might get.
const SMALL: f64 = 0.000_4;

fn config(provider: &ScriptedProvider) -> Config {
    Config::new()
        .openai("m", provider, "gpt-x")
        .with(price())
        .set("dragoman", "min_output_tokens", json!(16))
}

async fn start(config: &Config) -> Stack {
    Setup::new(config).start().await.expect("a stack")
}

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let config = config(&provider)
                .openai("wordy", &provider, "gpt-x!words-500")
                .with(price())
                .openai("long", &provider, "gpt-long!error-500")
                .with(price())
                .fallback("long", &["short"])
                .entry(json!({
                    "model_name": "short",
                    "litellm_params": {
                        "model": "anthropic/claude-short",
                        "api_key": "sk-ant", "api_base": provider.anthropic_base(),
                    },
                    "model_info": {
                        "input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_002,
                        "max_output_tokens": 100,
                    },
                }))
                .openai("unpriced", &provider, "gpt-nobody-knows")
                .openai("free", &provider, "gpt-nobody-knows-2")
                .with(json!({"input_cost_per_token": 0, "output_cost_per_token": 0}));
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

fn spent_up(reply: &Reply) -> Value {
    let error = reply.error(429, "insufficient_quota");
    assert_eq!(error["code"], "insufficient_quota");
    assert_eq!(reply.header("x-should-retry"), "false");
    error
}

/// Sends requests until a budget refuses: some are served before.
async fn spend(stack: &Stack, key: &Key, model: &str) -> Reply {
    let client = stack.holding(key);
    for served in 0..50 {
        let reply = client.hello(model).await;
        if reply.status != 200 {
            assert!(served > 10, "only {served} were served");
            return reply;
        }
    }
    panic!("no budget refused anything");
}

#[test]
fn a_fallback_is_asked_for_no_longer_answer_than_its_model_makes() {
    run(async {
        let fixture = fixture().await;
        let key = fixture.stack.new_key(json!({"max_budget": 1})).await;
        fixture.stack.holding(&key).hello("long").await.ok();
        let asked = |model, field| {
            let request = fixture.provider.requests_for(model).pop().expect("asked");
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            body[field].as_u64().expect("a cap")
        };
        assert!(asked("gpt-long!error-500", "max_completion_tokens") > 100);
        assert_eq!(asked("claude-short", "max_tokens"), 100);
    });
}

#[test]
fn a_spent_budget_refuses_for_good() {
    run(async {
        let stack = &fixture().await.stack;
        let key = stack.new_key(json!({"max_budget": SMALL})).await;
        let refused = spend(stack, &key, "m").await;
        spent_up(&refused);
        assert_eq!(refused.header("retry-after"), "", "it never starts anew");
    });
}

#[test]
fn a_spent_budget_says_when_its_window_ends() {
    run(async {
        let stack = &fixture().await.stack;
        let fields = json!({"max_budget": SMALL, "budget_duration": "1h"});
        let key = stack.new_key(fields).await;
        let refused = spend(stack, &key, "m").await;
        spent_up(&refused);
        let after: u64 = refused.header("retry-after").parse().expect("seconds");
        assert!((1..=3600).contains(&after), "{after}");
    });
}

#[test]
fn a_raised_budget_serves_again() {
    run(async {
        let stack = &fixture().await.stack;
        let key = stack.new_key(json!({"max_budget": SMALL})).await;
        spend(stack, &key, "m").await;
        let raised = json!({"key": key.secret, "max_budget": 1});
        stack.manage("/key/update", raised).await;
        stack.holding(&key).hello("m").await.ok();
    });
}

#[test]
fn a_reply_tells_what_is_left() {
    run(async {
        let stack = &fixture().await.stack;
        let key = stack.new_key(json!({"max_budget": 1})).await;
        let reply = stack.holding(&key).hello("m").await;
        reply.ok();
        assert_eq!(reply.header("x-litellm-key-max-budget"), "1");
        let left: f64 = reply
            .header("x-dragoman-key-budget-left")
            .parse()
            .expect("dollars");
        assert!(left > 0.5 && left < 1.0, "{left}");
    });
}

#[test]
fn what_was_spent_is_what_the_ledger_says() {
    run(async {
        let stack = &fixture().await.stack;
        let key = stack.new_key(json!({"max_budget": 1})).await;
        for _ in 0..3 {
            stack.holding(&key).hello("m").await.ok();
        }
        eventually("the key's spending is known", async || {
            let info = stack.holding(&key).get("/key/info").await.ok();
            (info["info"]["spend"] == json!(0.000_033)).then_some(())
        })
        .await;
        let rows = stack.ledger().requests_of(&key.id).await.expect("rows");
        let costs: Vec<_> = rows.iter().map(|row| row.cost_nanos).collect();
        assert_eq!(costs, [Some(HELLO_NANOS); 3]);
    });
}

#[test]
fn an_answer_is_cut_to_what_the_budget_has_left() {
    run(async {
        let fixture = fixture().await;
        let key = fixture.stack.new_key(json!({"max_budget": 0.000_4})).await;
        let body = json!({
            "model": "wordy", "max_tokens": 400,
            "messages": [{"role": "user", "content": "cut me to what is left"}],
        });
        let reply = fixture.stack.holding(&key).chat(body).await;
        assert_eq!(reply.ok()["choices"][0]["finish_reason"], "length");
        let sent = fixture
            .provider
            .request_with("cut me to what is left")
            .json();
        let cap = sent["max_tokens"]
            .as_u64()
            .or(sent["max_completion_tokens"].as_u64());
        assert!(cap.is_some_and(|cap| (16..200).contains(&cap)), "{sent}");
        let row = fixture.stack.ledger().request(&reply.request_id()).await;
        assert!(
            row.cost_nanos.is_some_and(|cost| cost <= 400_000),
            "{row:#?}"
        );
    });
}

#[test]
fn an_unknown_price_is_refused_under_a_budget_and_the_message_says_what_to_set() {
    run(async {
        let stack = &fixture().await.stack;
        let key = stack.new_key(json!({"max_budget": 1})).await;
        let reply = stack.holding(&key).hello("unpriced").await;
        let error = reply.error(400, "invalid_request_error");
        assert_eq!(error["code"], "model_not_priced");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(
            message.contains("unpriced") && message.contains("input_cost_per_token"),
            "{message}"
        );
        stack.hello("unpriced").await.ok();
        stack.holding(&key).hello("free").await.ok();
    });
}

#[test]
fn a_team_s_budget_is_shared_by_its_keys() {
    run(async {
        let stack = &fixture().await.stack;
        let team = stack
            .manage("/team/new", json!({"max_budget": SMALL}))
            .await;
        let of_team = json!({"team_id": team["team_id"]});
        let (one, other) = (
            stack.new_key(of_team.clone()).await,
            stack.new_key(of_team).await,
        );
        let refused = spend(stack, &one, "m").await;
        spent_up(&refused);
        spent_up(&stack.holding(&other).hello("m").await);
    });
}

#[test]
fn a_user_s_budget_is_shared_by_its_keys() {
    run(async {
        let stack = &fixture().await.stack;
        let user = stack
            .manage("/user/new", json!({"max_budget": SMALL}))
            .await;
        let of_user = json!({"user_id": user["user_id"]});
        let (one, other) = (
            stack.new_key(of_user.clone()).await,
            stack.new_key(of_user).await,
        );
        let refused = spend(stack, &one, "m").await;
        spent_up(&refused);
        spent_up(&stack.holding(&other).hello("m").await);
    });
}

#[test]
fn the_global_budget_is_everybody_s() {
    run(async {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let config = config(&provider)
            .set("litellm_settings", "max_budget", json!(SMALL))
            .set("litellm_settings", "budget_duration", json!("30d"));
        let stack = start(&config).await;
        let key = stack.new_key(json!({})).await;
        let refused = spend(&stack, &key, "m").await;
        spent_up(&refused);
        spent_up(&stack.hello("m").await);
    });
}

#[test]
fn a_provider_s_budget_is_spent_by_requests_to_it_alone() {
    run(async {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let budgets = json!({"openai": {"budget_limit": SMALL, "time_period": "1d"}});
        let config = config(&provider)
            .anthropic("other", &provider, "claude-x")
            .with(price())
            .set("router_settings", "provider_budget_config", budgets);
        let stack = start(&config).await;
        let key = stack.new_key(json!({})).await;
        let refused = spend(&stack, &key, "m").await;
        spent_up(&refused);
        stack.holding(&key).hello("other").await.ok();
    });
}

#[test]
fn a_budget_that_is_nearly_spent_goes_to_the_cheaper_alias() {
    run(async {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let config = config(&provider)
            .openai("cheap", &provider, "gpt-cheap")
            .with(json!({
                "input_cost_per_token": 0.000_000_001, "output_cost_per_token": 0.000_000_001,
            }))
            .set(
                "dragoman",
                "budgets",
                json!({"downgrade": {"at": 0.5, "to": "cheap"}}),
            );
        let stack = start(&config).await;
        let key = stack.new_key(json!({"max_budget": 0.000_4})).await;
        let client = stack.holding(&key);
        let mut last = None;
        for _ in 0..40 {
            let reply = client.hello("m").await;
            reply.ok();
            stack.ledger().request(&reply.request_id()).await;
            last = Some(reply);
        }
        let row = stack
            .ledger()
            .request(&last.expect("a reply").request_id())
            .await;
        assert_eq!(row.alias, "m", "what the client asked for");
        assert_eq!(row.provider_model.as_deref(), Some("gpt-cheap"));
        let dear = provider.requests_for("gpt-x").len();
        assert!((10..40).contains(&dear), "{dear} before");
    });
}

#[test]
fn a_budget_on_trial_refuses_nothing() {
    run(async {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let config = config(&provider).set("dragoman", "budgets", json!({"dry_run": true}));
        let stack = start(&config).await;
        let key = stack.new_key(json!({"max_budget": 0.000_02})).await;
        for _ in 0..5 {
            stack.holding(&key).hello("m").await.ok();
        }
    });
}
