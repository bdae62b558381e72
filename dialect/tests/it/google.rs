//! Google's other endpoints, and Claude on Vertex AI.

use dragoman_dialect::Translated;
use dragoman_proto::{ApiError, Operation};
use serde_json::{Value, json};

use crate::support::{
    JSON, SSE, admission, answer, deployment, fixtures, head, respond, translate,
};

fn ask(target: &str, operation: Operation, body: &Value) -> Result<Translated, ApiError> {
    let stream = body["stream"] == true;
    let body = serde_json::to_vec(body).unwrap();
    translate(
        &deployment(target),
        &admission(operation, stream),
        None,
        &body,
    )
}

fn sent(translated: &Translated) -> Value {
    serde_json::from_slice(translated.body.as_ref().unwrap()).unwrap()
}

#[test]
fn gemini_embeds_in_batches() {
    let body = json!({"model": "alias", "input": ["a", "b"], "dimensions": 2});
    let translated = ask("gemini", Operation::Embeddings, &body).unwrap();
    assert_eq!(
        translated.path,
        "/v1beta/models/gemini-2.5-flash:batchEmbedContents"
    );
    let one = |text: &str| {
        json!({"model": "models/gemini-2.5-flash", "content": {"parts": [{"text": text}]},
            "outputDimensionality": 2})
    };
    assert_eq!(sent(&translated), json!({"requests": [one("a"), one("b")]}));
    let reply = br#"{"embeddings":[{"values":[0.5,-1]},{"values":[1,2]}]}"#;
    let outcome = answer(&translated.response, JSON, reply);
    let told: Value = serde_json::from_str(&outcome.body).unwrap();
    assert_eq!(told["data"][1]["embedding"], json!([1, 2]));
    assert_eq!(told["model"], "alias");
    // Google does not count here.
    assert!(outcome.report.contains("Estimated"), "{}", outcome.report);
    assert_eq!(told["usage"]["prompt_tokens"], 17);
}

#[test]
fn vertex_ai_embeds_by_prediction() {
    let body = json!({"model": "alias", "input": "a", "encoding_format": "base64"});
    let translated = ask("vertex-embedding", Operation::Embeddings, &body).unwrap();
    assert!(
        translated
            .path
            .ends_with("/publishers/google/models/text-embedding-005:predict")
    );
    assert_eq!(sent(&translated), json!({"instances": [{"content": "a"}]}));
    let reply = br#"{"predictions":[{"embeddings":{"values":[1.0],"statistics":{"token_count":3.0,"truncated":false}}}]}"#;
    let outcome = answer(&translated.response, JSON, reply);
    assert!(
        outcome.body.contains(r#""embedding":"AACAPw==""#),
        "{}",
        outcome.body
    );
    assert!(
        outcome.report.contains("input_tokens: 3,"),
        "{}",
        outcome.report
    );
}

#[test]
fn gemini_s_models_on_vertex_ai_embed_one_text_or_a_batch() {
    let body = json!({"input": ["a", "b"], "dimensions": 2, "task_type": "CLUSTERING"});
    let several = ask("vertex-gemini", Operation::Embeddings, &body).unwrap();
    assert!(several.path.ends_with("/gemini-2.5-pro:batchEmbedContents"));
    let one = |text: &str| {
        json!({"content": {"parts": [{"text": text}]},
            "embedContentConfig": {"outputDimensionality": 2, "taskType": "CLUSTERING"}})
    };
    assert_eq!(sent(&several), json!({"requests": [one("a"), one("b")]}));
    let single = ask(
        "vertex-gemini",
        Operation::Embeddings,
        &json!({"input": "a"}),
    )
    .unwrap();
    assert!(single.path.ends_with("/gemini-2.5-pro:embedContent"));
    assert_eq!(
        sent(&single),
        json!({"content": {"parts": [{"text": "a"}]}})
    );
    let reply = br#"{"embedding":{"values":[1.0]},"truncated":false,"usageMetadata":{"promptTokenCount":3}}"#;
    let outcome = answer(&single.response, JSON, reply);
    let told: Value = serde_json::from_str(&outcome.body).unwrap();
    assert_eq!(told["data"][0]["embedding"], json!([1.0]));
    assert_eq!(told["usage"]["prompt_tokens"], 3);
}

#[test]
fn tokens_cannot_be_embedded() {
    for input in [json!([1, 2]), json!([[1], [2]]), json!([]), json!(null)] {
        let error = ask("gemini", Operation::Embeddings, &json!({"input": input})).unwrap_err();
        assert_eq!(
            (error.status(), error.param.as_deref()),
            (400, Some("input"))
        );
    }
}

#[test]
fn a_gemini_model_draws() {
    let body = json!({"prompt": "a cat", "size": "1792x1024"});
    let translated = ask("gemini", Operation::ImagesGenerations, &body).unwrap();
    let config = &sent(&translated)["generationConfig"];
    assert_eq!(config["responseModalities"], json!(["TEXT", "IMAGE"]));
    assert_eq!(config["imageConfig"], json!({"aspectRatio": "16:9"}));
    let (_, picture) = fixtures("answers/gemini")
        .into_iter()
        .find(|(name, _)| name == "picture")
        .unwrap();
    let outcome = answer(&translated.response, JSON, &picture);
    assert!(
        outcome.body.contains(r#""data":[{"b64_json":"iVBOR"#),
        "{}",
        outcome.body
    );
    assert!(outcome.report.contains("images: 1,"), "{}", outcome.report);
}

#[test]
fn imagen_draws_by_prediction() {
    let mut imagen = deployment("gemini");
    imagen.model = "imagen-4.0-generate-001".into();
    let body = br#"{"prompt":"a cat","n":2,"response_format":"b64_json"}"#;
    let admission = admission(Operation::ImagesGenerations, false);
    let translated = translate(&imagen, &admission, None, body).unwrap();
    assert!(
        translated.path.ends_with("imagen-4.0-generate-001:predict"),
        "{}",
        translated.path
    );
    assert_eq!(
        sent(&translated),
        json!({"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 2}})
    );
    let reply = br#"{"predictions":[{"bytesBase64Encoded":"AA==","mimeType":"image/png"},{"raiFilteredReason":"x"}]}"#;
    let outcome = answer(&translated.response, JSON, reply);
    assert!(outcome.report.contains("images: 1,"), "{}", outcome.report);
    let filtered = answer(&translated.response, JSON, br#"{"predictions":[]}"#);
    assert_eq!(filtered.head.status, 400);
}

#[test]
fn a_claude_on_vertex_ai_speaks_anthropic_s_api() {
    let body = json!({"model": "alias", "max_tokens": 9, "stream": true,
        "messages": [{"role": "user", "content": "x"}]});
    let translated = ask("vertex-claude", Operation::Messages, &body).unwrap();
    assert_eq!(
        translated.path,
        "/v1/projects/p/locations/europe-west1/publishers/anthropic/models/\
         claude-sonnet-4@20250514:streamRawPredict"
    );
    let body = sent(&translated);
    assert_eq!(body["anthropic_version"], "vertex-2023-10-16");
    assert!(body.get("model").is_none());
    let named = |name: &str| translated.headers.iter().any(|(header, _)| *header == name);
    assert!(!named("anthropic-version"));
    let (_, stream) = fixtures("streams/anthropic")
        .into_iter()
        .find(|(name, _)| name == "text")
        .unwrap();
    let outcome = respond(&translated.response, &head(200, SSE), [&stream[..]]);
    assert!(outcome.report.contains("Complete"), "{}", outcome.report);
}

#[test]
fn a_claude_on_vertex_ai_answers_chats() {
    let body = json!({"messages": [{"role": "user", "content": "x"}]});
    let translated = ask("vertex-claude", Operation::ChatCompletions, &body).unwrap();
    let (_, reply) = fixtures("answers/anthropic")
        .into_iter()
        .find(|(name, _)| name == "text")
        .unwrap();
    let outcome = answer(&translated.response, JSON, &reply);
    assert_eq!(outcome.head.status, 200);
    assert!(outcome.body.contains("chat.completion"), "{}", outcome.body);
}

#[test]
fn google_s_refusals_of_a_claude_are_understood() {
    let body = json!({"messages": [{"role": "user", "content": "x"}], "max_tokens": 9});
    let translated = ask("vertex-claude", Operation::ChatCompletions, &body).unwrap();
    let refusal = br#"[{"error": {"code": 429, "message": "Quota exceeded for model.",
        "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}]}}]"#;
    let outcome = respond(&translated.response, &head(429, JSON), [&refusal[..]]);
    assert_eq!(
        (outcome.head.status, outcome.head.retry_after),
        (429, Some(3))
    );
    assert!(outcome.body.contains("Quota exceeded"), "{}", outcome.body);
}

#[test]
fn an_open_model_on_vertex_ai_speaks_openai_s_chat() {
    let body = json!({"messages": [{"role": "user", "content": "x"}], "max_completion_tokens": 9});
    let translated = ask("vertex-open", Operation::ChatCompletions, &body).unwrap();
    assert_eq!(
        translated.path,
        "/v1/projects/p/locations/europe-west1/endpoints/openapi/chat/completions"
    );
    let sent = sent(&translated);
    assert_eq!(sent["model"], "meta/llama-3.3-70b-instruct-maas");
    assert_eq!(sent["max_tokens"], 9);
    assert!(sent.get("max_completion_tokens").is_none());
    let (_, reply) = fixtures("answers/openai")
        .into_iter()
        .find(|(name, _)| name == "text")
        .unwrap();
    let outcome = answer(&translated.response, JSON, &reply);
    assert!(outcome.report.contains("Complete"), "{}", outcome.report);
    let embed = json!({"input": "x"});
    assert!(ask("vertex-open", Operation::Embeddings, &embed).is_err());
}

#[test]
fn messages_reach_an_open_model_through_chat() {
    let body = json!({"model": "alias", "max_tokens": 9,
        "messages": [{"role": "user", "content": "x"}]});
    let translated = ask("vertex-open", Operation::Messages, &body).unwrap();
    assert!(translated.path.ends_with("/chat/completions"));
    assert_eq!(sent(&translated)["messages"][0]["content"], "x");
}

#[test]
fn a_tuned_model_is_an_endpoint_of_the_project() {
    let body = json!({"messages": [{"role": "user", "content": "x"}]});
    let translated = ask("vertex-tuned", Operation::ChatCompletions, &body).unwrap();
    assert_eq!(
        translated.path,
        "/v1/projects/p/locations/europe-west1/endpoints/4711:generateContent"
    );
}

#[test]
fn google_s_errors_are_translated() {
    for (status, canonical, message, details, expected, retryable) in [
        (400, "INVALID_ARGUMENT", "bad field", "", 400, false),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (12) exceeds the maximum number of tokens allowed (10).",
            "",
            400,
            true,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "API key not valid.",
            r#"{"reason":"API_KEY_INVALID"}"#,
            502,
            true,
        ),
        (
            400,
            "FAILED_PRECONDITION",
            "User location is not supported for the API use.",
            "",
            502,
            true,
        ),
        (403, "PERMISSION_DENIED", "denied", "", 502, true),
        (
            404,
            "NOT_FOUND",
            "models/x is not found for API version v1beta",
            "",
            404,
            true,
        ),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "quota",
            r#"{"retryDelay":"34s"}"#,
            429,
            true,
        ),
        (500, "INTERNAL", "oops", "", 502, true),
        (503, "UNAVAILABLE", "overloaded", "", 503, true),
        (504, "DEADLINE_EXCEEDED", "slow", "", 504, true),
    ] {
        let error = format!(
            r#"{{"error":{{"code":{status},"message":"{message}","status":"{canonical}","details":[{details}]}}}}"#
        );
        for body in [error.clone(), format!("[{error}]")] {
            let context = crate::support::context("gemini", "");
            let outcome = respond(&context, &head(status, JSON), [body.as_bytes()]);
            assert_eq!(
                (outcome.head.status, outcome.head.retryable),
                (expected, retryable),
                "{body}: {}",
                outcome.body
            );
            let wait = (status == 429).then_some(34);
            assert_eq!(outcome.head.retry_after, wait, "{body}");
        }
    }
}

#[test]
fn a_model_s_name_stays_a_segment_of_the_path() {
    let mut strange = deployment("gemini");
    strange.model = "../../evil?key=x#".into();
    let body = br#"{"messages":[{"role":"user","content":"x"}]}"#;
    let admission = admission(Operation::ChatCompletions, false);
    let translated = translate(&strange, &admission, None, body).unwrap();
    assert_eq!(
        translated.path,
        "/v1beta/models/..%2F..%2Fevil%3Fkey%3Dx%23:generateContent"
    );
    strange.model = "tunedModels/mine-1".into();
    let translated = translate(&strange, &admission, None, body).unwrap();
    assert_eq!(
        translated.path,
        "/v1beta/tunedModels/mine-1:generateContent"
    );
}
