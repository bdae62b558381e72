//! The path of a chat completion: whatever the provider speaks, the client sees OpenAI's API.

use std::collections::BTreeSet;

use dragoman_tests::{
    each_dialect,
    harness::{Config, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
use serde_json::{Value, json};

struct Fixture {
    stack: Stack,
    provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let mut config = Config::new()
                .openai("openai", &provider, "gpt-x")
                .anthropic("anthropic", &provider, "claude-x");
            for behaviour in ["cached-5", "reasoning", "stall-after-6"] {
                config = config
                    .openai(
                        &format!("openai!{behaviour}"),
                        &provider,
                        &format!("gpt-x!{behaviour}"),
                    )
                    .anthropic(
                        &format!("anthropic!{behaviour}"),
                        &provider,
                        &format!("claude-x!{behaviour}"),
                    );
            }
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

fn user(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

/// One pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

each_dialect! {
    async fn an_answer_has_openai_s_shape(fixture, alias) {
        let text = format!("shape of {alias}");
        let reply = fixture.stack.chat(json!({"model": alias, "messages": user(&text)})).await;
        let body = reply.ok();
        assert_eq!(body["object"], "chat.completion");
        assert!(body["id"].as_str().is_some_and(|id| id.starts_with("chatcmpl-")), "{body}");
        assert!(body["created"].as_u64().is_some_and(|at| at > 1_600_000_000), "{body}");
        let choice = &body["choices"][0];
        assert_eq!(body["choices"].as_array().map(Vec::len), Some(1), "{body}");
        assert_eq!(choice["index"], 0);
        assert_eq!(choice["finish_reason"], "stop");
        assert_eq!(choice["message"]["role"], "assistant");
        assert_eq!(choice["message"]["content"], format!("You said: {text}"));
    }

    async fn the_answer_names_the_alias_that_was_asked_for(fixture, alias) {
        let reply = fixture.stack.hello(alias).await;
        assert_eq!(reply.ok()["model"], alias);
    }

    async fn the_answer_is_json(fixture, alias) {
        let reply = fixture.stack.hello(alias).await;
        assert_eq!(reply.header("content-type"), "application/json");
    }

    async fn usage_is_the_provider_s(fixture, alias) {
        let text = format!("count these words for {alias}");
        let reply = fixture.stack.chat(json!({"model": alias, "messages": user(&text)})).await;
        let usage = reply.ok()["usage"].clone();
        let counted = fixture.provider.usage_with(&text);
        assert_eq!(usage["prompt_tokens"], counted.input_tokens);
        assert_eq!(usage["completion_tokens"], counted.output_tokens);
        assert_eq!(usage["total_tokens"], counted.input_tokens + counted.output_tokens);
    }

    async fn cached_tokens_are_part_of_the_prompt_tokens(fixture, alias) {
        let text = format!("cached words for {alias}");
        let model = format!("{alias}!cached-5");
        let reply = fixture.stack.chat(json!({"model": model, "messages": user(&text)})).await;
        let usage = reply.ok()["usage"].clone();
        let counted = fixture.provider.usage_with(&text);
        assert_eq!(usage["prompt_tokens"], counted.input_tokens);
        assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 5);
    }

    async fn a_stream_says_what_an_answer_says(fixture, alias) {
        let body = json!({"model": alias, "messages": user("a few words, Zürich 🎉")});
        assert_eq!(
            fixture.stack.stream_chat(body).await.said(),
            "You said: a few words, Zürich 🎉"
        );
    }

    async fn a_stream_is_an_event_stream(fixture, alias) {
        let streamed = fixture.stack.stream_hello(alias).await;
        let content_type = streamed.reply.header("content-type");
        assert!(content_type.starts_with("text/event-stream"), "{content_type}");
    }

    async fn a_stream_begins_with_the_role_and_says_it_once(fixture, alias) {
        let chunks = fixture.stack.stream_hello(alias).await.chunks();
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        let roles = chunks.iter().filter(|chunk| chunk["choices"][0]["delta"]["role"].is_string());
        assert_eq!(roles.count(), 1);
    }

    async fn a_stream_has_one_finish_reason_at_its_end(fixture, alias) {
        let chunks = fixture.stack.stream_hello(alias).await.chunks();
        let reasons: Vec<&Value> = chunks
            .iter()
            .map(|chunk| &chunk["choices"][0]["finish_reason"])
            .filter(|reason| !reason.is_null())
            .collect();
        assert_eq!(reasons, ["stop"]);
        let last = chunks.last().expect("chunks");
        assert_eq!(last["choices"][0]["finish_reason"], "stop");
    }

    async fn the_chunks_of_a_stream_have_one_id_and_the_alias(fixture, alias) {
        let chunks = fixture.stack.stream_hello(alias).await.chunks();
        let heads: BTreeSet<String> = chunks
            .iter()
            .map(|chunk| format!("{} {} {}", chunk["id"], chunk["model"], chunk["object"]))
            .collect();
        assert_eq!(heads.len(), 1, "{heads:?}");
        assert_eq!(chunks[0]["model"], alias);
        assert_eq!(chunks[0]["object"], "chat.completion.chunk");
    }

    async fn a_stream_has_no_usage_unless_asked(fixture, alias) {
        let chunks = fixture.stack.stream_hello(alias).await.chunks();
        for chunk in &chunks {
            assert!(chunk.get("usage").is_none_or(Value::is_null), "{chunk}");
            assert_eq!(chunk["choices"].as_array().map(Vec::len), Some(1), "{chunk}");
        }
    }

    async fn a_stream_ends_with_usage_when_asked(fixture, alias) {
        let text = format!("usage in the stream of {alias}");
        let chunks = fixture
            .stack
            .stream_chat(json!({
                "model": alias, "messages": user(&text),
                "stream_options": {"include_usage": true},
            }))
            .await
            .chunks();
        let last = chunks.last().expect("chunks");
        assert_eq!(last["choices"], json!([]));
        let counted = fixture.provider.usage_with(&text);
        assert_eq!(last["usage"]["prompt_tokens"], counted.input_tokens);
        assert_eq!(last["usage"]["completion_tokens"], counted.output_tokens);
    }

    async fn the_first_words_of_a_stream_do_not_wait_for_the_rest(fixture, alias) {
        use futures::StreamExt;
        // The provider sends six events and then nothing, ever.
        let body = json!({
            "model": format!("{alias}!stall-after-6"), "messages": user("hello"), "stream": true,
        });
        let request = fixture.stack.request(reqwest::Method::POST, "/v1/chat/completions");
        let response = request.json(&body).send().await.expect("headers");
        let mut pieces = response.bytes_stream();
        let mut text = String::new();
        while !text.contains("\"You\"") {
            let piece = pieces.next().await.expect("more").expect("no error");
            text += &String::from_utf8_lossy(&piece);
        }
    }

    async fn images_reach_the_model(fixture, alias) {
        let image = |url: String| json!({"type": "image_url", "image_url": {"url": url}});
        let reply = fixture
            .stack
            .chat(json!({
                "model": alias,
                "messages": [{"role": "user", "content": [
                    {"type": "text", "text": format!("two images for {alias}")},
                    image(format!("data:image/png;base64,{PNG}")),
                    image("https://images.example/cat.jpg".to_owned()),
                ]}],
            }))
            .await;
        reply.ok();
        let sent = fixture.provider.request_with(&format!("two images for {alias}"));
        let text = String::from_utf8_lossy(&sent.body).into_owned();
        assert!(text.contains(PNG), "the image's data: {text}");
        assert!(text.contains("https://images.example/cat.jpg"), "the image's URL: {text}");
    }

    async fn system_and_developer_messages_are_heard(fixture, alias) {
        let reply = fixture
            .stack
            .chat(json!({
                "model": alias,
                "messages": [
                    {"role": "system", "content": format!("Be brief, {alias}.")},
                    {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
                    {"role": "user", "content": "hello"},
                ],
            }))
            .await;
        assert_eq!(reply.said(), "You said: hello");
        let sent = fixture.provider.request_with(&format!("Be brief, {alias}."));
        assert!(String::from_utf8_lossy(&sent.body).contains("Be kind."));
    }

    async fn several_messages_of_one_role_are_heard(fixture, alias) {
        let text = format!("second part for {alias}");
        let reply = fixture
            .stack
            .chat(json!({
                "model": alias,
                "messages": [
                    {"role": "user", "content": "first part"},
                    {"role": "user", "content": text},
                ],
            }))
            .await;
        assert!(reply.said().ends_with(&text), "{}", reply.said());
        let sent = fixture.provider.request_with(&text);
        assert!(String::from_utf8_lossy(&sent.body).contains("first part"));
    }

    async fn an_answer_ends_at_a_stop_sequence(fixture, alias) {
        for stop in [json!("END"), json!(["END", "never"])] {
            let reply = fixture
                .stack
                .chat(json!({
                    "model": alias, "messages": user("one END two"), "stop": stop,
                }))
                .await;
            assert_eq!(reply.said().trim_end(), "You said: one");
            assert_eq!(reply.json()["choices"][0]["finish_reason"], "stop");
        }
    }

    async fn an_answer_ends_at_the_token_limit(fixture, alias) {
        for limit in ["max_tokens", "max_completion_tokens"] {
            let mut body = json!({"model": alias, "messages": user("one two three")});
            body[limit] = json!(3);
            let reply = fixture.stack.chat(body).await;
            assert_eq!(reply.said(), "You said: one", "{limit}");
            assert_eq!(reply.json()["choices"][0]["finish_reason"], "length", "{limit}");
        }
    }

    async fn sampling_parameters_reach_the_model(fixture, alias) {
        let text = format!("sampled for {alias}");
        let reply = fixture
            .stack
            .chat(json!({
                "model": alias, "messages": user(&text), "temperature": 0.25, "top_p": 0.5,
            }))
            .await;
        reply.ok();
        let sent = fixture.provider.request_with(&text).json();
        assert_eq!((&sent["temperature"], &sent["top_p"]), (&json!(0.25), &json!(0.5)));
    }

    async fn reasoning_is_in_the_answer(fixture, alias) {
        let model = format!("{alias}!reasoning");
        let reply = fixture.stack.hello(&model).await;
        let message = reply.ok()["choices"][0]["message"].clone();
        let thought = message["reasoning_content"].as_str().unwrap_or_default();
        assert!(thought.starts_with("The user said something"), "{message}");
        assert_eq!(message["content"], "You said: hello");
    }

    async fn reasoning_is_in_the_stream_before_the_answer(fixture, alias) {
        let model = format!("{alias}!reasoning");
        let chunks = fixture.stack.stream_hello(&model).await.chunks();
        let place = |field: &str| {
            chunks.iter().position(|chunk| {
                let text = chunk["choices"][0]["delta"][field].as_str();
                text.is_some_and(|text| !text.is_empty())
            })
        };
        let (thought, said) = (place("reasoning_content"), place("content"));
        assert!(thought.is_some() && thought < said, "{thought:?} {said:?}");
    }
}

#[test]
fn anthropic_gets_the_reasoning_effort_as_a_thinking_budget() {
    run(async {
        let fixture = fixture().await;
        let text = "think hard about this";
        let body = json!({
            "model": "anthropic", "messages": user(text), "reasoning_effort": "low",
        });
        let message = fixture.stack.chat(body).await.ok()["choices"][0]["message"].clone();
        let sent = fixture.provider.request_with(text).json();
        assert_eq!(sent["thinking"]["type"], "enabled", "{sent}");
        assert!(message["reasoning_content"].is_string(), "{message}");
    });
}

#[test]
fn anthropic_gets_an_output_limit_though_the_client_names_none() {
    run(async {
        let fixture = fixture().await;
        let text = "no limit from the client";
        fixture
            .stack
            .chat(json!({"model": "anthropic", "messages": user(text)}))
            .await
            .ok();
        let sent = fixture.provider.request_with(text).json();
        assert_eq!(sent["max_tokens"], 4096);
    });
}

#[test]
fn anthropic_learns_the_end_user() {
    run(async {
        let fixture = fixture().await;
        let text = "from a user";
        let body = json!({"model": "anthropic", "messages": user(text), "user": "u-1"});
        fixture.stack.chat(body).await.ok();
        let sent = fixture.provider.request_with(text).json();
        assert_eq!(sent["metadata"]["user_id"], "u-1");
    });
}

#[test]
fn openai_gives_several_choices() {
    run(async {
        let body = json!({"model": "openai", "messages": user("hello"), "n": 2});
        let reply = fixture().await.stack.chat(body).await;
        let indices: Vec<Value> = reply.ok()["choices"]
            .as_array()
            .expect("choices")
            .iter()
            .map(|choice| choice["index"].clone())
            .collect();
        assert_eq!(indices, [0, 1]);
    });
}

#[test]
fn openai_gets_what_its_own_api_alone_knows() {
    run(async {
        let fixture = fixture().await;
        let text = "with a schema";
        let format = json!({"type": "json_schema", "json_schema": {
            "name": "answer", "strict": true,
            "schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}},
        }});
        let body = json!({
            "model": "openai", "messages": user(text), "response_format": format, "seed": 7,
            "logit_bias": {"50256": -100}, "presence_penalty": 0.5,
        });
        assert_eq!(fixture.stack.chat(body).await.said(), r#"{"ok":true}"#);
        let sent = fixture.provider.request_with(text).json();
        assert_eq!(sent["response_format"], format);
        assert_eq!(sent["logit_bias"], json!({"50256": -100}));
    });
}

#[test]
fn https_serves_the_same() {
    run(async {
        let stack = &fixture().await.stack;
        let reply = stack
            .client()
            .clone()
            .over_tls(stack.https)
            .hello("openai")
            .await;
        assert_eq!(reply.said(), "You said: hello");
    });
}

#[test]
fn two_hundred_streams_at_once_are_kept_apart() {
    run(async {
        let fixture = fixture().await;
        let streams = (0..200).map(async |number| {
            let alias = if number % 2 == 0 {
                "openai"
            } else {
                "anthropic"
            };
            let text = format!("stream number {number} of many");
            let body = json!({"model": alias, "messages": user(&text)});
            assert_eq!(
                fixture.stack.stream_chat(body).await.said(),
                format!("You said: {text}")
            );
        });
        futures::future::join_all(streams).await;
    });
}
