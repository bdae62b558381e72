//! AWS Bedrock, played by a provider that verifies every signature.

use dragoman_tests::{
    harness::{Config, Reply, Setup, Shared, Stack, run},
    provider::{AWS_KEY, AWS_SESSION_KEY, AwsKey, RecordedRequest, ScriptedProvider},
};
use reqwest::Method;
use serde_json::{Value, json};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-20250514-v1:0";
const NOVA: &str = "us.amazon.nova-2-lite-v1:0";
const ARN: &str =
    "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abcdef012345";
const WRONG: &str = "wrong-secret/of-nobody/0123456789abcdefgh";

struct Fixture {
    stack: Stack,
    provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

fn config(provider: &ScriptedProvider) -> Config {
    let token = json!({
        "model": format!("bedrock/{CLAUDE}"), "api_base": provider.root(),
        "aws_region_name": "eu-central-1", "api_key": "bedrock-api-key-0123",
    });
    let session = json!({
        "aws_access_key_id": AWS_SESSION_KEY.id, "aws_secret_access_key": AWS_SESSION_KEY.secret,
        "aws_session_token": AWS_SESSION_KEY.session,
    });
    let mut config = Config::new()
        .bedrock("claude", provider, &format!("converse/{CLAUDE}"))
        .bedrock("session", provider, NOVA)
        .with(session)
        .deployment("token", token)
        .bedrock("wrong", provider, CLAUDE)
        .with(json!({"aws_secret_access_key": WRONG}))
        .bedrock("arn", provider, &format!("anthropic/{ARN}"))
        .bedrock("nova", provider, NOVA)
        .bedrock("strict", provider, "anthropic.claude-opus-4-6-v1:0")
        .bedrock("titan", provider, "amazon.titan-embed-text-v2:0")
        .bedrock("cohere-embed", provider, "cohere.embed-multilingual-v3")
        .bedrock("retried", provider, "retried-model")
        .with(json!({"max_retries": 2}))
        .openai("openai", provider, "gpt-x")
        .anthropic("anthropic", provider, "claude-x")
        .openai("broken-openai", provider, "x!error-503")
        .fallback("broken-openai", &["claude"])
        .fallback("wrong", &["nova"]);
    for (behaviour, fallback) in [
        ("error-503", Some("openai")),
        ("error-424", Some("anthropic")),
        ("error-after-0", Some("anthropic")),
        ("error-after-1", Some("openai")),
        ("junk-after-1", Some("openai")),
        ("error-after-3", None),
        ("junk-after-3", None),
        ("end-after-3", None),
        ("error-429", None),
        ("context-length", None),
        ("content-policy", None),
        ("html", None),
        ("split-3", None),
        ("joined", None),
        ("gzip", None),
        ("cached-8!cache-write-5", None),
    ] {
        let alias = format!("x!{behaviour}");
        config = config.bedrock(&alias, provider, &alias);
        if let Some(other) = fallback {
            config = config.fallback(&alias, &[other]);
        }
    }
    config
}

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let stack = Setup::new(&config(&provider)).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

fn asking(alias: &str, text: &str) -> Value {
    json!({"model": alias, "messages": [{"role": "user", "content": text}]})
}

/// Asks for `text` with `more` in the request, and gives back the one request that was sent.
async fn sent(alias: &str, text: &str, more: Value) -> RecordedRequest {
    let fixture = fixture().await;
    let mut body = asking(alias, text);
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    fixture.stack.chat(body).await.ok();
    fixture.provider.request_with(text)
}

/// What a signed request may have in its headers, each once.
fn is_signed_and_no_more(request: &RecordedRequest, key: AwsKey) {
    let mut names: Vec<String> = request
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .filter(|name| name != "accept")
        .collect();
    names.sort_unstable();
    let mut expected = vec![
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-amz-content-sha256",
        "x-amz-date",
    ];
    expected.extend(key.session.map(|_| "x-amz-security-token"));
    assert_eq!(names, expected, "{request:#?}");
    let authorization = request.header("authorization").unwrap_or_default();
    assert!(authorization.contains(key.id), "{authorization}");
    assert!(
        authorization.contains("/eu-central-1/bedrock/"),
        "{authorization}"
    );
}

#[test]
fn a_signed_request_is_answered() {
    run(async {
        let fixture = fixture().await;
        for (alias, key, path) in [
            (
                "claude",
                AWS_KEY,
                "us.anthropic.claude-sonnet-4-20250514-v1%3A0",
            ),
            ("session", AWS_SESSION_KEY, "us.amazon.nova-2-lite-v1%3A0"),
            (
                "arn",
                AWS_KEY,
                "arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Aapplication-inference-profile%2Fabcdef012345",
            ),
        ] {
            let text = format!("signed Zürich by {alias}");
            let reply = fixture.stack.chat(asking(alias, &text)).await;
            assert_eq!(reply.said(), format!("You said: {text}"));
            let request = fixture.provider.request_with(&text);
            is_signed_and_no_more(&request, key);
            assert_eq!(request.path, format!("/model/{path}/converse"));
        }
    });
}

#[test]
fn a_token_goes_into_its_header_unsigned() {
    run(async {
        let request = sent("token", "with a token", json!({})).await;
        let expected = Some("Bearer bedrock-api-key-0123");
        assert_eq!(request.header("authorization"), expected);
        assert_eq!(request.header("x-amz-date"), None);
    });
}

#[test]
fn nothing_that_a_client_sends_is_signed_or_sent() {
    run(async {
        let fixture = fixture().await;
        let text = "with headers of aws's own";
        let mut request = fixture
            .stack
            .request(Method::POST, "/v1/chat/completions")
            .json(&asking("claude", text));
        for name in [
            "x-amz-security-token",
            "x-amz-date",
            "x-amz-target",
            "x-amzn-trace-id",
        ] {
            request = request.header(name, "leak");
        }
        let reply = Reply::of(request).await;
        assert_eq!(reply.said(), format!("You said: {text}"));
        is_signed_and_no_more(&fixture.provider.request_with(text), AWS_KEY);
    });
}

fn keyless(provider: &ScriptedProvider) -> Value {
    json!({
        "model": format!("bedrock/{CLAUDE}"), "aws_region_name": "eu-central-1",
        "aws_bedrock_runtime_endpoint": provider.root(),
    })
}

#[test]
fn without_a_key_it_is_envoy_s_own_that_signs() {
    run(async {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let stack = Setup::new(&Config::new().deployment("keyless", keyless(&provider)))
            .envoy_env("AWS_ACCESS_KEY_ID", AWS_SESSION_KEY.id)
            .envoy_env("AWS_SECRET_ACCESS_KEY", AWS_SESSION_KEY.secret)
            .envoy_env(
                "AWS_SESSION_TOKEN",
                AWS_SESSION_KEY.session.unwrap_or_default(),
            )
            .start()
            .await
            .expect("a stack");
        let reply = stack.chat(asking("keyless", "signed by whom")).await;
        assert_eq!(reply.said(), "You said: signed by whom");
        is_signed_and_no_more(&provider.request_with("signed by whom"), AWS_SESSION_KEY);
    });
}

#[test]
fn a_request_that_nobody_can_sign_goes_elsewhere() {
    run(async {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let config = Config::new()
            .deployment("keyless", keyless(&provider))
            .openai("openai", &provider, "gpt-x")
            .fallback("keyless", &["openai"]);
        let stack = Setup::new(&config)
            // Where a machine of AWS's would tell it who it is, there is none here.
            .envoy_env("AWS_EC2_METADATA_DISABLED", "true")
            .start()
            .await
            .expect("a stack");
        let reply = stack.chat(asking("keyless", "signed by nobody")).await;
        assert_eq!(reply.said(), "You said: signed by nobody");
        let requests = provider.requests_with("signed by nobody");
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].header("authorization"), None);
    });
}

#[test]
fn a_stream_arrives_word_by_word_however_it_is_cut() {
    run(async {
        let fixture = fixture().await;
        for alias in ["claude", "token", "x!split-3", "x!joined", "x!gzip"] {
            let text = format!("streamed Zürich 🎉 {alias}");
            let mut body = asking(alias, &text);
            body["stream_options"] = json!({"include_usage": true});
            let streamed = fixture.stack.stream_chat(body).await;
            let kind = streamed.reply.header("content-type");
            assert!(kind.starts_with("text/event-stream"), "{kind}");
            let chunks = streamed.chunks();
            assert_eq!(streamed.said(), format!("You said: {text}"), "{alias}");
            let counted = fixture.provider.usage_with(&text);
            let usage = &chunks.last().expect("chunks")["usage"];
            assert_eq!(usage["completion_tokens"], counted.output_tokens);
            assert_eq!(usage["prompt_tokens"], counted.input_tokens);
        }
    });
}

#[test]
fn usage_with_a_cache_is_in_the_ledger() {
    run(async {
        let fixture = fixture().await;
        let text = "count for the ledger of bedrock";
        let reply = fixture
            .stack
            .chat(asking("x!cached-8!cache-write-5", text))
            .await;
        let usage = reply.ok()["usage"].clone();
        let counted = fixture.provider.usage_with(text);
        assert_eq!(usage["prompt_tokens"], counted.input_tokens);
        assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 8);
        assert_eq!(usage["cache_creation_input_tokens"], 5);
        let row = fixture.stack.ledger().request(&reply.request_id()).await;
        assert_eq!(u64::try_from(row.input_tokens), Ok(counted.input_tokens));
        assert_eq!(u64::try_from(row.output_tokens), Ok(counted.output_tokens));
    });
}

#[test]
fn tools_are_called_and_their_results_heard() {
    run(async {
        let fixture = fixture().await;
        let tool = |name: &str| {
            json!({"type": "function", "function": {"name": name, "parameters": {
                "type": "object", "properties": {"city": {"type": "string"}},
            }}})
        };
        let tools = json!([tool("weather"), tool("time")]);
        for alias in ["claude", "nova"] {
            let mut body = asking(alias, &format!("weather and time, {alias}"));
            body["tools"] = tools.clone();
            let answer = fixture.stack.chat(body.clone()).await.ok();
            assert_eq!(
                answer["choices"][0]["finish_reason"], "tool_calls",
                "{answer}"
            );
            let message = &answer["choices"][0]["message"];
            let calls = message["tool_calls"].as_array().expect("calls");
            assert_eq!(calls.len(), 2, "{answer}");
            let arguments = calls[0]["function"]["arguments"]
                .as_str()
                .unwrap_or_default();
            let arguments: Value = serde_json::from_str(arguments).expect("JSON");
            assert_eq!(arguments, json!({"city": "a \"city\" in Zürich\n"}));

            let chunks = fixture.stack.stream_chat(body.clone()).await.chunks();
            let named: Vec<&Value> = chunks
                .iter()
                .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["name"])
                .filter(|name| name.is_string())
                .collect();
            assert_eq!(named, ["weather", "time"]);

            let messages = body["messages"].as_array_mut().expect("a list");
            messages.push(message.clone());
            for call in calls {
                let content = format!("it is sunny, {alias}");
                messages
                    .push(json!({"role": "tool", "tool_call_id": call["id"], "content": content}));
            }
            let reply = fixture.stack.chat(body).await;
            let expected = format!("The tool said: it is sunny, {alias}; it is sunny, {alias}");
            assert_eq!(reply.said(), expected);
        }
    });
}

#[test]
fn thinking_goes_back_to_the_model_signed() {
    run(async {
        let fixture = fixture().await;
        let mut body = asking("claude", "think of this first");
        body["reasoning_effort"] = json!("low");
        let answer = fixture.stack.chat(body.clone()).await.ok();
        let message = answer["choices"][0]["message"].clone();
        assert!(message["reasoning_content"].is_string(), "{answer}");
        assert!(
            message["thinking_blocks"][0]["signature"].is_string(),
            "{answer}"
        );
        let messages = body["messages"].as_array_mut().expect("a list");
        messages.push(message);
        messages.push(json!({"role": "user", "content": "and of that then"}));
        fixture.stack.chat(body).await.ok();
        let sent = fixture.provider.request_with("and of that then").json();
        let thought = &sent["messages"][1]["content"][0]["reasoningContent"]["reasoningText"];
        assert_eq!(thought["signature"], "c2NyaXB0ZWQtc2lnbmF0dXJl");
        assert_eq!(sent["inferenceConfig"]["maxTokens"], 5120);
    });
}

#[test]
fn an_answer_follows_a_schema_by_either_means() {
    run(async {
        let fixture = fixture().await;
        for alias in ["claude", "strict", "nova"] {
            let mut body = asking(alias, &format!("a city for {alias}"));
            body["response_format"] = json!({"type": "json_schema", "json_schema": {
                "name": "city", "strict": true, "schema": {
                    "type": "object", "properties": {"name": {"type": "string"}},
                    "required": ["name"], "additionalProperties": false,
                },
            }});
            let expected = json!({"name": "a \"name\" in Zürich\n"});
            let said = fixture.stack.chat(body.clone()).await.said();
            assert_eq!(
                serde_json::from_str::<Value>(&said).ok(),
                Some(expected.clone()),
                "{said}"
            );
            let said = fixture.stack.stream_chat(body).await.said();
            assert_eq!(
                serde_json::from_str::<Value>(&said).ok(),
                Some(expected),
                "{said}"
            );
        }
    });
}

#[test]
fn images_and_documents_go_inline_and_addresses_do_not_go() {
    run(async {
        let fixture = fixture().await;
        let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
        let text = "look at these two";
        let body = json!({"model": "claude", "messages": [{"role": "user", "content": [
            {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}},
            image("data:image/png;base64,iVBORw0KGgo="),
            {"type": "file", "file": {"filename": "Bericht_1.pdf",
                "file_data": "data:application/pdf;base64,JVBERi0="}},
        ]}]});
        fixture.stack.chat(body).await.ok();
        let content = &fixture.provider.request_with(text).json()["messages"][0]["content"];
        assert_eq!(content[1], json!({"cachePoint": {"type": "default"}}));
        assert_eq!(content[2]["image"]["format"], "png");
        assert_eq!(content[3]["document"]["name"], "Bericht 1");
        let body = json!({"model": "claude", "messages": [
            {"role": "user", "content": [image("https://a.example/cat.png")]},
        ]});
        let error = fixture
            .stack
            .chat(body)
            .await
            .error(400, "invalid_request_error");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains("inline"), "{message}");
    });
}

#[test]
fn a_large_body_is_signed_whole() {
    run(async {
        let fixture = fixture().await;
        let text = format!("large {}", "word ".repeat(1 << 20));
        let mut body = asking("claude", &text);
        body["max_tokens"] = json!(5);
        assert_eq!(fixture.stack.chat(body).await.status, 200);
    });
}

#[test]
fn messages_clients_reach_bedrock_too() {
    run(async {
        let fixture = fixture().await;
        let body = json!({"model": "claude", "max_tokens": 50,
            "messages": [{"role": "user", "content": "as a message"}]});
        let answer = fixture.stack.post("/v1/messages", &body).await.ok();
        assert_eq!(answer["content"][0]["text"], "You said: as a message");
        let sent = fixture.provider.request_with("as a message").json();
        assert_eq!(sent["inferenceConfig"]["maxTokens"], 50);
    });
}

#[test]
fn models_embed() {
    run(async {
        let fixture = fixture().await;
        let body = json!({"model": "titan", "input": "embed this for titan"});
        let list = fixture.stack.post("/v1/embeddings", &body).await.ok();
        assert_eq!(list["data"][0]["embedding"], json!([4, 0.5]));
        assert_eq!(list["usage"]["prompt_tokens"], 4);
        let body = json!({"model": "cohere-embed", "input": ["embed this", "and that one"]});
        let list = fixture.stack.post("/v1/embeddings", &body).await.ok();
        assert_eq!(list["data"][1]["embedding"], json!([3, 0.5]));
        assert_eq!(list["usage"]["prompt_tokens"], 5);
        let body = json!({"model": "titan", "input": ["one", "two"]});
        let reply = fixture.stack.post("/v1/embeddings", &body).await;
        assert_eq!(reply.error(400, "invalid_request_error")["param"], "input");
    });
}

#[test]
fn an_attempt_before_the_first_token_is_followed_by_another_elsewhere() {
    run(async {
        let fixture = fixture().await;
        for alias in [
            "broken-openai",
            "wrong",
            "x!error-503",
            "x!error-424",
            "x!error-after-0",
            "x!error-after-1",
            "x!junk-after-1",
        ] {
            let text = format!("from {alias} to another");
            let streamed = fixture.stack.stream_chat(asking(alias, &text)).await;
            assert_eq!(streamed.said(), format!("You said: {text}"), "{alias}");
            let requests = fixture.provider.requests_with(&text);
            assert_eq!(requests.len(), 2, "{alias}");
            for request in requests {
                keeps_to_itself(&request);
            }
        }
    });
}

/// No attempt has a credential of another.
fn keeps_to_itself(request: &RecordedRequest) {
    let is_aws = request.path.starts_with("/model/");
    let has = |start: &str| {
        let mut names = request.headers.iter().map(|(name, _)| name);
        names.any(|name| name.to_ascii_lowercase().starts_with(start))
    };
    assert_eq!(has("x-amz-"), is_aws, "{request:#?}");
    let authorization = request.header("authorization").unwrap_or_default();
    let signed = authorization.starts_with("AWS4-HMAC-SHA256 ");
    assert_eq!(signed, is_aws, "{request:#?}");
    assert!(!is_aws || !has("x-api-key"), "{request:#?}");
}

#[test]
fn every_retry_is_signed_anew() {
    run(async {
        let fixture = fixture().await;
        fixture
            .provider
            .script("retried-model", &["error-503", "error-after-0"]);
        let text = "signed three times";
        let streamed = fixture.stack.stream_chat(asking("retried", text)).await;
        assert_eq!(streamed.said(), format!("You said: {text}"));
        let requests = fixture.provider.requests_with(text);
        assert_eq!(requests.len(), 3);
        for request in &requests {
            is_signed_and_no_more(request, AWS_KEY);
        }
    });
}

#[test]
fn a_stream_that_breaks_ends_with_one_error() {
    run(async {
        let fixture = fixture().await;
        for (alias, says) in [
            ("x!error-after-3", "broke off"),
            ("x!junk-after-3", "corrupt"),
            ("x!end-after-3", "ended before"),
        ] {
            let streamed = fixture.stack.stream_hello(alias).await;
            let (chunks, error) = streamed.broken_off();
            assert!(!chunks.is_empty(), "{alias}");
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains(says), "{alias}: {error}");
        }
    });
}

#[test]
fn errors_keep_their_meaning() {
    run(async {
        let fixture = fixture().await;
        for (alias, status, kind, code) in [
            (
                "x!error-429",
                429,
                "rate_limit_error",
                "rate_limit_exceeded",
            ),
            (
                "x!context-length",
                400,
                "invalid_request_error",
                "context_length_exceeded",
            ),
            (
                "x!content-policy",
                400,
                "invalid_request_error",
                "content_policy_violation",
            ),
            ("x!html", 502, "api_error", "bad_gateway"),
        ] {
            let error = fixture.stack.hello(alias).await.error(status, kind);
            assert_eq!(error["code"], code, "{alias}");
        }
    });
}

#[test]
fn several_answers_at_once_are_refused() {
    run(async {
        let fixture = fixture().await;
        let mut body = asking("claude", "twice");
        body["n"] = json!(2);
        let error = fixture
            .stack
            .chat(body)
            .await
            .error(400, "invalid_request_error");
        assert_eq!(error["param"], "n");
    });
}

#[test]
fn neither_envoy_nor_the_service_shows_a_key_of_aws_s() {
    run(async {
        let fixture = fixture().await;
        fixture.stack.hello("session").await.ok();
        let dump = fixture.stack.envoy_admin("/config_dump?include_eds").await;
        assert!(
            dump.contains("aws_request_signing"),
            "the dump holds the filter"
        );
        let places = [dump, fixture.stack.envoy_log(), fixture.stack.service_log()];
        let session = AWS_SESSION_KEY.session.unwrap_or_default();
        for secret in [
            AWS_KEY.secret,
            AWS_SESSION_KEY.secret,
            session,
            WRONG,
            "bedrock-api-key-0123",
        ] {
            for place in &places {
                assert!(!place.contains(secret), "{secret} is shown");
            }
        }
    });
}
