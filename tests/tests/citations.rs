//! What an answer cites: as annotations for OpenAI's clients, as the provider says it for those that
//! know the provider, whole and as a stream.

use dragoman_tests::{
    harness::{Config, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
use serde_json::{Value, json};

struct Fixture {
    stack: Stack,
    _provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn stack() -> &'static Stack {
    let start = async || {
        let provider = ScriptedProvider::start().await?;
        let config = Config::new()
            .anthropic("anthropic", &provider, "claude-x!cites")
            .gemini("gemini", &provider, "gemini-x!cites")
            .cohere("cohere", &provider, "command-x!cites");
        let stack = Setup::new(&config).start().await?;
        Ok(Fixture {
            stack,
            _provider: provider,
        })
    };
    &FIXTURE.get(start).await.stack
}

const ALL: [&str; 3] = ["anthropic", "gemini", "cohere"];
const SAID: &str = "Zürich 🎉 is big";

/// The pages of `You said: Zürich 🎉 is big`, and which characters are from them.
const PAGES: [(u64, u64, &str, &str); 2] = [
    (3, 21, "https://pages.example/said", "Züricher Sagen"),
    (21, 25, "https://pages.example/last", "The last word"),
];

fn chat_annotations() -> Value {
    let entries = PAGES.map(|(start, end, url, title)| {
        json!({"type": "url_citation", "url_citation": {
            "start_index": start, "end_index": end, "url": url, "title": title}})
    });
    json!(entries)
}

fn responses_annotations() -> Value {
    let entries = PAGES.map(|(start, end, url, title)| {
        json!({"type": "url_citation",
            "start_index": start, "end_index": end, "url": url, "title": title})
    });
    json!(entries)
}

fn chat(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": SAID}]})
}

/// The deltas of a stream of chat that have `field`.
fn deltas_with(chunks: &[Value], field: &str) -> Vec<Value> {
    let deltas = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]);
    let told = deltas.filter_map(|delta| delta.get(field).cloned());
    told.collect()
}

/// Whose address each of these has; each is told once, in the order of the text.
fn require_pages(told: &[Value], pointer: &str) {
    let addresses: Vec<&str> = told
        .iter()
        .filter_map(|value| value.pointer(pointer)?.as_str())
        .collect();
    assert_eq!(addresses, PAGES.map(|page| page.2), "{told:?}");
}

fn entries(list: &Value) -> Vec<Value> {
    list.as_array().cloned().unwrap_or_default()
}

#[test]
fn a_chat_s_answer_is_annotated() {
    run(async {
        for model in ALL {
            let answer = stack().await.chat(chat(model)).await.ok();
            let message = &answer["choices"][0]["message"];
            assert_eq!(message["content"], format!("You said: {SAID}"), "{model}");
            assert_eq!(message["annotations"], chat_annotations(), "{model}");
        }
    });
}

#[test]
fn a_chat_s_stream_is_annotated_once_with_numbers_to_join_by() {
    run(async {
        for model in ALL {
            let streamed = stack().await.stream_chat(chat(model)).await;
            assert_eq!(streamed.said(), format!("You said: {SAID}"), "{model}");
            let told = deltas_with(&streamed.chunks(), "annotations");
            let mut told: Vec<Value> = told.iter().flat_map(entries).collect();
            for (index, annotation) in told.iter_mut().enumerate() {
                let number = annotation.as_object_mut().and_then(|a| a.remove("index"));
                assert_eq!(number, Some(json!(index)), "{model}");
            }
            assert_eq!(json!(told), chat_annotations(), "{model}");
        }
    });
}

#[test]
fn a_chat_s_answer_has_the_provider_s_own_citations() {
    run(async {
        let own = async |model| {
            let answer = stack().await.chat(chat(model)).await.ok();
            answer["choices"][0]["message"]["provider_specific_fields"].clone()
        };
        require_pages(&entries(&own("anthropic").await["citations"]), "/0/url");
        let cohere = entries(&own("cohere").await["citations"]);
        require_pages(&cohere, "/sources/0/document/url");
        let gemini = &own("gemini").await["grounding_metadata"]["groundingChunks"];
        require_pages(&entries(gemini), "/web/uri");
    });
}

#[test]
fn a_chat_s_stream_has_the_provider_s_own_citations() {
    run(async {
        let own = async |model| {
            let streamed = stack().await.stream_chat(chat(model)).await;
            deltas_with(&streamed.chunks(), "provider_specific_fields")
        };
        require_pages(&own("anthropic").await, "/citation/url");
        let cohere = own("cohere").await;
        require_pages(&cohere, "/citations/0/sources/0/document/url");
        assert_eq!(cohere[1]["citations"][0]["index"], 1);
        let gemini = own("gemini").await;
        let chunks = &gemini[0]["grounding_metadata"]["groundingChunks"];
        require_pages(&entries(chunks), "/web/uri");
    });
}

#[test]
fn a_response_s_text_is_annotated() {
    run(async {
        for model in ALL {
            let body = json!({"model": model, "input": SAID});
            let response = stack().await.post("/v1/responses", &body).await.ok();
            let text = &response["output"][0]["content"][0];
            assert_eq!(text["annotations"], responses_annotations(), "{model}");
        }
    });
}

#[test]
fn a_response_s_stream_adds_each_annotation_and_repeats_them_at_the_end() {
    run(async {
        for model in ALL {
            let body = json!({"model": model, "input": SAID});
            let streamed = stack().await.stream("/v1/responses", body).await;
            let events: Vec<Value> = streamed.events.iter().map(|event| event.json()).collect();
            let added = events
                .iter()
                .filter(|event| event["type"] == "response.output_text.annotation.added");
            let added: Vec<&Value> = added.map(|event| &event["annotation"]).collect();
            assert_eq!(json!(added), responses_annotations(), "{model}");
            let last = events.last().expect("events");
            let text = &last["response"]["output"][0]["content"][0];
            assert_eq!(text["annotations"], responses_annotations(), "{model}");
        }
    });
}

#[test]
fn a_message_of_anthropic_s_keeps_its_citations() {
    run(async {
        let body = json!({"model": "anthropic", "max_tokens": 100,
            "messages": [{"role": "user", "content": SAID}]});
        let stack = stack().await;
        let message = stack.post("/v1/messages", &body).await.ok();
        require_pages(&entries(&message["content"]), "/citations/0/url");
        let streamed = stack.stream("/v1/messages", body).await;
        let events: Vec<Value> = streamed.events.iter().map(|event| event.json()).collect();
        require_pages(&events, "/delta/citation/url");
    });
}
