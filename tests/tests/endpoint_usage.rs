//! What each endpoint used and cost: in tokens, images, seconds and characters.

use dragoman_tests::{
    harness::{Config, DIALECTS, Reply, RequestRow, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

struct Fixture {
    stack: Stack,
    _provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

/// A model with prices of its own.
fn priced(config: Config, alias: &str, params: &Value, prices: &Value) -> Config {
    config.entry(json!({"model_name": alias, "litellm_params": params, "model_info": prices}))
}

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let base = provider.openai_base();
            let openai = |model: &str| {
                json!({"model": format!("openai/{model}"), "api_base": base, "api_key": "sk-x"})
            };
            let tokens = json!({"input_cost_per_token": 0.001, "output_cost_per_token": 0.002});
            let mut config = Config::new();
            for (alias, model, prices) in [
                ("embed", "embed-x", &tokens),
                ("complete", "instruct-x", &tokens),
                ("gpt-image", "gpt-image-x", &tokens),
                ("hear-tokens", "gpt-4o-transcribe", &tokens),
                ("rank-tokens", "rank-x", &tokens),
                ("image", "dall-e-x", &json!({"output_cost_per_image": 0.04})),
                ("speak", "tts-x", &json!({"input_cost_per_character": 0.0005})),
                (
                    "speak-fails",
                    "tts-x!error-503",
                    &json!({"input_cost_per_character": 0.0005}),
                ),
                (
                    "speak-tokens",
                    "gpt-4o-mini-tts",
                    &json!({"input_cost_per_token": 0.001, "output_cost_per_token": 0.002,
                        "output_cost_per_audio_token": 0.01}),
                ),
                ("hear", "whisper-x", &json!({"input_cost_per_second": 0.25})),
                (
                    "hear-silent",
                    "whisper-x!no-usage",
                    &json!({"input_cost_per_second": 0.25}),
                ),
                ("moderate", "omni-x", &json!({"input_cost_per_token": 0.0})),
                ("rank", "rank-x", &json!({"input_cost_per_query": 0.002})),
            ] {
                config = priced(config, alias, &openai(model), prices);
            }
            let gemini = |model: &str| {
                json!({"model": format!("gemini/{model}"), "api_key": "AIza",
                    "api_base": provider.gemini_base()})
            };
            config = priced(config, "gemini", &gemini("gemini-embedding-001"), &tokens);
            let picture = json!({"input_cost_per_token": 0.001, "output_cost_per_token": 0.002,
                "output_cost_per_image": 0.04, "output_cost_per_image_token": 0.0001});
            config = priced(config, "picture", &gemini("gemini-2.5-flash-image"), &picture);
            let ollama = json!({"model": "ollama/embed-x", "api_base": provider.root()});
            config = priced(config, "ollama", &ollama, &tokens);
            for dialect in DIALECTS {
                for (alias, model) in [("counts", "x"), ("is silent", "x!no-usage")] {
                    let alias = format!("{dialect} {alias}");
                    config = config.speaking(dialect, &alias, &provider, model);
                }
            }
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture {
                stack,
                _provider: provider,
            })
        })
        .await
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the value is written where it is passed"
)]
async fn post(path: &str, body: Value) -> Reply {
    let reply = fixture().await.stack.post(path, &body).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply
}

async fn post_form(path: &str, fields: &[(&str, &str)], file: (&str, Vec<u8>)) -> Reply {
    let mut form = Form::new();
    for (name, value) in fields {
        form = form.text((*name).to_owned(), (*value).to_owned());
    }
    let part = Part::bytes(file.1).file_name("f");
    let form = form.part(file.0.to_owned(), part);
    let request = fixture().await.stack.request(Method::POST, path);
    let reply = Reply::of(request.multipart(form)).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply
}

async fn row(reply: &Reply) -> RequestRow {
    let stack = &fixture().await.stack;
    stack.ledger().request(&reply.request_id()).await
}

/// Dollars as the ledger has them.
fn nanos(dollars_in_ten_thousandths: i64) -> Option<i64> {
    Some(dollars_in_ten_thousandths * 100_000)
}

/// Eight thousand bytes of a second, as the file says.
fn wave(seconds: usize) -> Vec<u8> {
    let mut wave = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wave.extend(8_000_u32.to_le_bytes());
    wave.extend(8_000_u32.to_le_bytes());
    wave.resize(8_000 * seconds, 0);
    wave
}

#[test]
fn embeddings_cost_their_tokens() {
    run(async {
        for alias in ["embed", "ollama"] {
            let body = json!({"model": alias, "input": ["three short words", "two more"]});
            let reply = post("/v1/embeddings", body).await;
            let row = row(&reply).await;
            assert_eq!(
                (row.operation.as_str(), row.input_tokens),
                ("embeddings", 5)
            );
            assert_eq!(row.usage_source, "provider", "{alias}");
            assert_eq!(row.cost_nanos, nanos(50), "{alias}");
        }
    });
}

#[test]
fn images_cost_by_the_piece() {
    run(async {
        let body = json!({"model": "image", "prompt": "a cat", "n": 3});
        let drawn = row(&post("/v1/images/generations", body).await).await;
        assert_eq!((drawn.images, drawn.cost_nanos), (3, nanos(1200)));

        let fields = [("model", "image"), ("prompt", "a dog"), ("n", "2")];
        let reply = post_form("/v1/images/edits", &fields, ("image", vec![1])).await;
        let edited = row(&reply).await;
        assert_eq!((edited.images, edited.cost_nanos), (2, nanos(800)));
        assert_eq!(edited.operation, "images_edits");
    });
}

#[test]
fn images_of_a_model_that_counts_tokens_cost_these() {
    run(async {
        let stack = &fixture().await.stack;
        let body = json!({"model": "gpt-image", "prompt": "two words", "n": 2});
        let whole = row(&post("/v1/images/generations", body.clone()).await).await;
        assert_eq!((whole.input_tokens, whole.output_tokens), (2, 200));
        assert_eq!((whole.images, whole.cost_nanos), (2, nanos(20 + 4000)));

        let mut body = body;
        body["n"] = json!(1);
        let streamed = stack.stream("/v1/images/generations", body).await;
        let names: Vec<String> = streamed
            .events
            .iter()
            .map(|event| event.json()["type"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(
            names,
            [
                "image_generation.partial_image",
                "image_generation.completed"
            ]
        );
        let row = row(&streamed.reply).await;
        assert_eq!((row.images, row.cost_nanos), (1, nanos(20 + 2000)));
        assert_eq!(row.usage_source, "provider");
    });
}

#[test]
fn images_of_gemini_cost_the_tokens_that_they_are_made_of() {
    run(async {
        // A prompt of two words, and four for the message; an answer of four words and a picture.
        let cost = nanos(60 + 80 + 1290);
        let body = json!({"model": "picture", "prompt": "two words"});
        let reply = post("/v1/images/generations", body).await;
        assert!(reply.ok()["data"][0]["b64_json"].is_string());
        let drawn = row(&reply).await;
        assert_eq!((drawn.images, drawn.cost_nanos), (1, cost));

        let fields = [("model", "picture"), ("prompt", "two words")];
        let reply = post_form("/v1/images/edits", &fields, ("image", b"\x89PNG".to_vec())).await;
        assert!(reply.ok()["data"][0]["b64_json"].is_string());
        let edited = row(&reply).await;
        assert_eq!((edited.images, edited.output_tokens), (1, 1294));
        // The picture that came with it is 85 tokens.
        assert_eq!(edited.cost_nanos, cost.map(|cost| cost + 85 * 1_000_000));
    });
}

#[test]
fn embeddings_of_gemini_are_estimated_because_it_does_not_count_them() {
    run(async {
        let body = json!({"model": "gemini", "input": ["a", "b"], "dimensions": 3,
            "encoding_format": "base64"});
        let reply = post("/v1/embeddings", body).await;
        // Three floats of four bytes.
        let vector = reply.ok()["data"][1]["embedding"].clone();
        assert_eq!(vector.as_str().map(str::len), Some(16), "{vector}");
        let row = row(&reply).await;
        assert_eq!(row.usage_source, "estimated");
        assert_eq!(row.cost_nanos, Some(row.input_tokens * 1_000_000));
    });
}

#[test]
fn speech_costs_its_characters() {
    run(async {
        let body = json!({"model": "speak", "input": "grüße aus Zürich", "voice": "alloy"});
        let row = row(&post("/v1/audio/speech", body).await).await;
        assert_eq!((row.characters, row.cost_nanos), (16, nanos(80)));
        assert_eq!(row.state, "complete");
    });
}

#[test]
fn speech_of_a_model_that_counts_tokens_is_estimated_by_its_length() {
    run(async {
        // 16 characters, a thousand bytes each, are a second of 128 kbit/s: 21 tokens.
        let body = json!({"model": "speak-tokens", "input": "sixteen letters.", "voice": "alloy"});
        let whole = row(&post("/v1/audio/speech", body.clone()).await).await;
        assert_eq!((whole.audio_ms, whole.output_tokens), (1000, 21));
        assert_eq!(whole.usage_source, "estimated");
        let input = whole.input_tokens * 10;
        assert_eq!(whole.cost_nanos, nanos(2100 + input));

        let mut body = body;
        body["stream_format"] = json!("sse");
        let events = row(&post("/v1/audio/speech", body).await).await;
        assert_eq!(
            (events.output_tokens, events.usage_source.as_str()),
            (16, "provider")
        );
        assert_eq!(events.cost_nanos, nanos(1600 + 20));
    });
}

#[test]
fn transcriptions_cost_their_seconds() {
    run(async {
        for format in ["json", "verbose_json"] {
            let fields = [("model", "hear"), ("response_format", format)];
            let reply =
                post_form("/v1/audio/transcriptions", &fields, ("file", vec![0; 4000])).await;
            let row = row(&reply).await;
            assert_eq!(
                (row.audio_ms, row.cost_nanos),
                (4000, nanos(10_000)),
                "{format}"
            );
            assert_eq!(row.usage_source, "provider", "{format}");
        }
    });
}

#[test]
fn transcriptions_that_nobody_counts_cost_what_the_file_says() {
    run(async {
        for (alias, format) in [("hear-silent", "json"), ("hear", "text")] {
            let fields = [("model", alias), ("response_format", format)];
            let reply = post_form("/v1/audio/translations", &fields, ("file", wave(3))).await;
            let row = row(&reply).await;
            assert_eq!(
                (row.audio_ms, row.cost_nanos),
                (3000, nanos(7500)),
                "{format}"
            );
            assert_eq!(row.usage_source, "estimated", "{format}");
        }
    });
}

#[test]
fn transcriptions_of_a_model_that_counts_tokens_cost_these() {
    run(async {
        for stream in ["false", "true"] {
            let fields = [("model", "hear-tokens"), ("stream", stream)];
            let reply =
                post_form("/v1/audio/transcriptions", &fields, ("file", vec![0; 100])).await;
            let row = row(&reply).await;
            assert_eq!((row.input_tokens, row.output_tokens), (10, 3), "{stream}");
            assert_eq!(row.cost_nanos, nanos(100 + 60), "{stream}");
        }
    });
}

#[test]
fn moderations_and_rankings_are_counted() {
    run(async {
        let body = json!({"model": "moderate", "input": "no violence"});
        let moderated = row(&post("/v1/moderations", body).await).await;
        assert_eq!(moderated.cost_nanos, Some(0));
        let body = |alias| json!({"model": alias, "query": "a b", "documents": ["c", "d e"]});
        let ranked = row(&post("/v1/rerank", body("rank")).await).await;
        assert_eq!(
            (ranked.operation.as_str(), ranked.cost_nanos),
            ("rerank", nanos(20))
        );
        let ranked = row(&post("/v1/rerank", body("rank-tokens")).await).await;
        assert_eq!((ranked.input_tokens, ranked.cost_nanos), (5, nanos(50)));
    });
}

#[test]
fn spend_of_every_kind_is_in_the_logs() {
    run(async {
        let stack = &fixture().await.stack;
        let speech = json!({"model": "speak", "input": "abcd", "voice": "alloy"});
        for (path, body, call_type, spend) in [
            ("/v1/audio/speech", speech, "audio_speech", 0.002),
            (
                "/v1/images/generations",
                json!({"model": "image", "prompt": "x"}),
                "images_generations",
                0.04,
            ),
            (
                "/v1/embeddings",
                json!({"model": "embed", "input": "x"}),
                "embeddings",
                0.001,
            ),
        ] {
            let reply = post(path, body).await;
            row(&reply).await;
            let logs = stack
                .get(&format!("/spend/logs?request_id={}", reply.request_id()))
                .await
                .ok();
            assert_eq!(logs[0]["spend"], spend, "{path}: {logs}");
            assert_eq!(logs[0]["call_type"], call_type, "{path}: {logs}");
        }
    });
}

#[test]
fn a_failed_attempt_at_speech_costs_nothing() {
    run(async {
        let stack = &fixture().await.stack;
        let body = json!({"model": "speak-fails", "input": "say nothing", "voice": "alloy"});
        let reply = stack.post("/v1/audio/speech", &body).await;
        assert_eq!(reply.status, 503, "{}", reply.text());
        let row = row(&reply).await;
        assert_eq!((row.characters, row.cost_nanos), (0, Some(0)));
    });
}

#[test]
fn a_stream_is_estimated_only_where_the_provider_does_not_count() {
    run(async {
        let stack = &fixture().await.stack;
        for dialect in DIALECTS {
            for (alias, source) in [("counts", "provider"), ("is silent", "estimated")] {
                let alias = format!("{dialect} {alias}");
                for include_usage in [true, false] {
                    let streamed = stack
                        .stream_chat(json!({
                            "model": alias, "messages": [{"role": "user", "content": "hello"}],
                            "stream_options": {"include_usage": include_usage},
                        }))
                        .await;
                    let chunks = streamed.chunks();
                    let told = chunks.iter().filter(|chunk| chunk["usage"].is_object());
                    let told: Vec<&Value> = told.collect();
                    assert_eq!(told.len(), usize::from(include_usage), "{alias}");
                    let row = row(&streamed.reply).await;
                    assert_eq!(row.usage_source, source, "{alias}");
                    assert!(row.input_tokens > 0 && row.output_tokens > 0, "{alias}");
                    for usage in told {
                        let told = usage["usage"]["completion_tokens"].as_i64();
                        assert_eq!(told, Some(row.output_tokens), "{alias}");
                    }
                }
            }
        }
    });
}
