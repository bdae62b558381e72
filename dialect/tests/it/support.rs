//! Deployments, admissions and fixtures.

use std::{fs, path::PathBuf};

use dragoman_dialect::{
    Head, Outgoing, RequestHead, ResponseContext, ResponseHead, ResponseTranslator, Translated,
    translate_request,
};
use dragoman_proto::{Admission, ApiError, Dialect, Operation, Quirks, UpstreamConfig};

use crate::aws;

pub(crate) const SSE: &str = "text/event-stream; charset=utf-8";
pub(crate) const JSON: &str = "application/json";
pub(crate) const AWS: &str = "application/vnd.amazon.eventstream";
pub(crate) const NDJSON: &str = "application/x-ndjson";
/// Where a project's models are on Vertex AI.
const VERTEX: &str = "/v1/projects/p/locations/europe-west1";
/// The dialects that answers and streams come in; each has folders of fixtures.
pub(crate) const DIALECTS: [&str; 7] = [
    "openai",
    "anthropic",
    "ollama",
    "azure",
    "cohere",
    "gemini",
    "bedrock",
];

/// The content type of a dialect's streams.
pub(crate) fn stream_type(dialect: &str) -> &'static str {
    match dialect {
        "ollama" => NDJSON,
        "bedrock" => AWS,
        _ => SSE,
    }
}

/// A deployment of OpenAI, of a provider with quirks, or of Anthropic.
pub(crate) fn deployment(name: &str) -> UpstreamConfig {
    let (dialect, model, base_path) = match name {
        "openai" => (Dialect::OpenAi, "gpt-4o-mini", "/v1"),
        "openai-reasoning" => (Dialect::OpenAi, "o3-mini", "/v1"),
        "groq" => (Dialect::OpenAi, "llama-3.1-70b", "/openai/v1"),
        "anthropic" => (Dialect::Anthropic, "claude-sonnet-4-20250514", ""),
        "anthropic-new" => (Dialect::Anthropic, "claude-opus-4-7", "/proxy/v1"),
        "ollama" => (Dialect::Ollama, "llama3.2", "/v1"),
        "ollama-levels" => (Dialect::Ollama, "gpt-oss:20b", ""),
        "cohere" => (Dialect::Cohere, "command-a-03-2025", "/v2"),
        "azure" => (Dialect::Azure, "gpt-4o", ""),
        "azure-reasoning" => (Dialect::Azure, "o4-mini", "/openai/v1"),
        "gemini" => (Dialect::Gemini, "gemini-2.5-flash", "/v1beta"),
        "gemini-2" => (Dialect::Gemini, "gemini-2.0-flash", "/v1beta"),
        "gemini-3" => (Dialect::Gemini, "gemini-3-pro-preview", "/v1beta"),
        "vertex-gemini" => (Dialect::VertexAi, "gemini-2.5-pro", VERTEX),
        "vertex-embedding" => (Dialect::VertexAi, "text-embedding-005", VERTEX),
        "vertex-imagen" => (Dialect::VertexAi, "imagen-3.0-capability-001", VERTEX),
        "vertex-tuned" => (Dialect::VertexAi, "gemini/4711", VERTEX),
        "vertex-open" => (
            Dialect::VertexAi,
            "meta/llama-3.3-70b-instruct-maas",
            VERTEX,
        ),
        "vertex-claude" => (Dialect::VertexAi, "claude-sonnet-4@20250514", VERTEX),
        "bedrock" => (
            Dialect::Bedrock,
            "us.anthropic.claude-sonnet-4-20250514-v1:0",
            "",
        ),
        "bedrock-new" => (
            Dialect::Bedrock,
            "converse/global.anthropic.claude-opus-4-6-v1:0",
            "/proxy",
        ),
        "bedrock-nova" => (Dialect::Bedrock, "us.amazon.nova-2-lite-v1:0", ""),
        "bedrock-llama" => (
            Dialect::Bedrock,
            "us-east-1/meta.llama3-3-70b-instruct-v1:0",
            "",
        ),
        "bedrock-titan" => (Dialect::Bedrock, "amazon.titan-embed-text-v1", ""),
        "bedrock-cohere" => (Dialect::Bedrock, "cohere.embed-multilingual-v3", ""),
        other => unreachable!("no deployment {other}"),
    };
    let quirks = if name == "groq" {
        Quirks {
            max_tokens_field: Some("max_tokens".into()),
            no_stream_options: true,
            no_completions: true,
            unsupported: vec!["logprobs".into(), "seed".into()],
            ..Quirks::default()
        }
    } else {
        Quirks::default()
    };
    UpstreamConfig {
        deployment: "d1".into(),
        provider: name.split('-').next().unwrap().into(),
        dialect,
        model: model.into(),
        authority: "provider.test".into(),
        base_path: base_path.into(),
        api_version: (name == "azure").then(|| "2024-10-21".into()),
        defaults: serde_json::Map::new(),
        drop_params: false,
        quirks,
    }
}

pub(crate) fn admission(operation: Operation, stream: bool) -> Admission {
    let mut admission = Admission::decode(
        br#"{"id":"0199","at":1763600000123,"m":"alias","op":"chat_completions","k":"master","pt":17}"#,
    )
    .unwrap();
    admission.operation = operation;
    admission.stream = stream;
    admission
}

/// Translates a request that goes to the provider.
pub(crate) fn translate(
    deployment: &UpstreamConfig,
    admission: &Admission,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Translated, ApiError> {
    let head = RequestHead {
        content_type,
        ..RequestHead::default()
    };
    match translate_request(deployment, admission, &head, body)? {
        Outgoing::Request(translated) => Ok(*translated),
        Outgoing::Answer { .. } => unreachable!("the request is answered here"),
    }
}

pub(crate) fn chat(deployment_name: &str, body: &[u8]) -> Result<Translated, ApiError> {
    let stream =
        serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|body| body["stream"] == true);
    let admission = admission(Operation::ChatCompletions, stream);
    translate(&deployment(deployment_name), &admission, None, body)
}

/// The context of an answer to a chat request with `extra` members.
pub(crate) fn context(deployment_name: &str, extra: &str) -> ResponseContext {
    let body = format!(r#"{{"messages":[{{"role":"user","content":"x"}}]{extra}}}"#);
    chat(deployment_name, body.as_bytes()).unwrap().response
}

/// The files in a folder of fixtures: name and content.
pub(crate) fn fixtures(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/fixtures", folder]
        .iter()
        .collect();
    let mut found: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let content = fs::read(&path).unwrap();
            let is_binary = path.extension().is_some_and(|kind| kind == "aws");
            (
                name,
                if is_binary {
                    aws::encode(&content)
                } else {
                    content
                },
            )
        })
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no fixtures in {folder}");
    found
}

/// All that comes of a response.
#[derive(Debug, PartialEq, Clone)]
pub(crate) struct Outcome {
    pub(crate) head: Head,
    pub(crate) body: String,
    pub(crate) report: String,
}

/// Feeds a response in pieces.
pub(crate) fn respond<'a>(
    context: &ResponseContext,
    head: &ResponseHead<'_>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Outcome {
    let mut translator = ResponseTranslator::new(context.clone(), head);
    let mut out = Vec::new();
    for piece in pieces {
        let before = out.len();
        translator.feed(piece, false, &mut out);
        assert!(
            translator.head().is_some() || out.len() == before,
            "nothing is written before the head"
        );
    }
    translator.feed(&[], true, &mut out);
    let report = translator.report();
    let head = translator.head().expect("a finished response has a head");
    Outcome {
        head: head.clone(),
        body: String::from_utf8_lossy(&out).into_owned(),
        // Few answers have images: what they are made of is told only there.
        report: format!("{report:?}").replace(", image_output_tokens: 0", ""),
    }
}

pub(crate) fn head(status: u16, content_type: &str) -> ResponseHead<'_> {
    ResponseHead {
        status,
        content_type: Some(content_type),
        ..ResponseHead::default()
    }
}

/// A whole answer with status 200.
pub(crate) fn answer(context: &ResponseContext, content_type: &str, body: &[u8]) -> Outcome {
    respond(context, &head(200, content_type), [body])
}

pub(crate) fn pretty(json: &[u8]) -> String {
    serde_json::from_slice::<serde_json::Value>(json)
        .map(|value| serde_json::to_string_pretty(&value).unwrap())
        .unwrap_or_else(|_| String::from_utf8_lossy(json).into_owned())
}
