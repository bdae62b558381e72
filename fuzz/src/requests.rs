//! What clients send.

use dragoman_dialect::{
    Outgoing, Passage, RequestHead,
    edge::{Form, inspect},
    translate_request,
};
use dragoman_proto::{Admission, ApiError, Facts, Operation, UpstreamConfig};

use crate::{
    is_json,
    support::{admission, deployment},
};

/// A deployment of each dialect, and those that differ from others of theirs.
const DEPLOYMENTS: [&str; 17] = [
    "bedrock",
    "bedrock-new",
    "bedrock-nova",
    "bedrock-llama",
    "openai",
    "openai-reasoning",
    "groq",
    "anthropic",
    "anthropic-new",
    "ollama",
    "cohere",
    "azure",
    "gemini",
    "gemini-2",
    "gemini-3",
    "vertex-gemini",
    "vertex-claude",
];
const ENDPOINTS: [Operation; 7] = [
    Operation::Embeddings,
    Operation::Completions,
    Operation::ImagesGenerations,
    Operation::AudioSpeech,
    Operation::Moderations,
    Operation::Rerank,
    Operation::CountTokens,
];
const FORMS: [Operation; 2] = [Operation::AudioTranscriptions, Operation::ImagesEdits];
const FORM: &str = "multipart/form-data; boundary=b";

/// `body` for each deployment, with what it says dropped or refused.
pub fn to_all(operation: Operation, body: &[u8]) {
    for name in DEPLOYMENTS {
        for drop_params in [false, true] {
            let config = UpstreamConfig {
                drop_params,
                ..deployment(name)
            };
            for (stream, output_cap) in [(false, None), (true, Some(7))] {
                let admission = Admission {
                    output_cap,
                    ..admission(operation, stream)
                };
                is_a_request(&config, &admission, None, body);
            }
        }
    }
}

/// `body` for each endpoint besides those of conversations.
pub fn to_endpoints(body: &[u8]) {
    for operation in ENDPOINTS {
        for name in DEPLOYMENTS {
            let admission = admission(operation, false);
            is_a_request(&deployment(name), &admission, None, body);
        }
    }
}

/// `body` as a form whose parts the letter b divides.
pub fn forms(body: &[u8]) {
    for operation in FORMS {
        says_facts(operation, Some(FORM), body);
        for name in ["openai", "azure", "groq", "gemini", "anthropic"] {
            let admission = admission(operation, false);
            is_a_request(&deployment(name), &admission, Some(FORM), body);
        }
    }
}

/// `body` as a form that comes in pieces, of a client that says it will be long.
pub fn forms_in_pieces(body: &[u8]) {
    const LONG: u64 = 1 << 20;
    let told = |piece: usize| -> Result<(Vec<Facts>, bool), ApiError> {
        let mut form = Form::new(Operation::AudioTranscriptions, "/p", FORM, Some(LONG))?;
        let mut facts = Vec::new();
        for piece in body.chunks(piece) {
            form.feed(piece)?;
            facts.extend(form.early());
        }
        facts.extend(form.finish()?);
        Ok((facts, form.passes()))
    };
    let whole = told(body.len().max(1));
    assert!(whole.as_ref().is_ok_and(|(facts, _)| facts.len() == 1) || whole.is_err());
    for piece in [1, 3, 64] {
        assert_eq!(told(piece), whole, "in pieces of {piece}");
    }
    for name in ["openai", "azure", "groq"] {
        let config = deployment(name);
        let whole = passed(&config, body, body.len().max(1));
        for piece in [1, 3, 64] {
            assert_eq!(
                passed(&config, body, piece),
                whole,
                "{name}, in pieces of {piece}"
            );
        }
        let Some(sent) = whole else {
            continue;
        };
        let head = RequestHead {
            content_type: Some(FORM),
            ..RequestHead::default()
        };
        let admission = admission(Operation::AudioTranscriptions, false);
        let held = translate_request(&config, &admission, &head, body);
        let Ok(Outgoing::Request(held)) = held else {
            panic!("{name}: a form that passes is refused when it is whole: {held:?}");
        };
        assert_eq!(Some(sent), held.body, "{name}");
    }
}

/// What a provider gets of a form that comes in pieces of this length, where it passes.
fn passed(config: &UpstreamConfig, body: &[u8], piece: usize) -> Option<Vec<u8>> {
    pass(config, body, piece).ok().flatten()
}

fn pass(config: &UpstreamConfig, body: &[u8], piece: usize) -> Result<Option<Vec<u8>>, ApiError> {
    let mut passage = Passage::new(FORM)?;
    let mut sent = None;
    let admission = admission(Operation::AudioTranscriptions, false);
    let head = RequestHead {
        content_type: Some(FORM),
        ..RequestHead::default()
    };
    for piece in body.chunks(piece) {
        passage.feed(piece)?;
        if let Some(beginning) = passage.beginning()
            && sent.is_none()
        {
            let Some(begun) = passage.translate(config, &admission, &head)? else {
                return Ok(None);
            };
            let mut out = begun.body.unwrap_or_default();
            out.extend_from_slice(&body[beginning..]);
            sent = Some(out);
        }
    }
    passage.finish()?;
    Ok(sent)
}

/// `body` at each operation.
pub fn edge(body: &[u8]) {
    let conversations = [
        Operation::ChatCompletions,
        Operation::Messages,
        Operation::Responses,
    ];
    for operation in conversations.into_iter().chain(ENDPOINTS) {
        if says_facts(operation, None, body) {
            assert!(is_json(body), "{operation:?} of what is no JSON");
        }
    }
}

/// Facts read back as they were stated; what is refused is the client's to mend.
fn says_facts(operation: Operation, content_type: Option<&str>, body: &[u8]) -> bool {
    match inspect(operation, operation.path(), content_type, body) {
        Ok(facts) => {
            // Images and sound are bounded where it is known what they cost.
            let extent = &facts.extent;
            let is_text = extent.images == 0 && extent.audio_ms == 0 && !extent.unseen;
            let is_bounded = facts.prompt_tokens <= facts.prompt_bound;
            assert!(is_bounded || !is_text, "{facts:?}");
            let (_, value) = facts.to_header();
            assert_eq!(Facts::from_headers(|_| Some(&value)), Ok(facts));
            true
        }
        Err(error) => {
            is_the_client_s(&error, operation);
            false
        }
    }
}

/// What is sent is a request: a path, headers of one line each, and JSON where it is JSON.
fn is_a_request(
    config: &UpstreamConfig,
    admission: &Admission,
    content_type: Option<&str>,
    body: &[u8],
) {
    let head = RequestHead {
        content_type,
        ..RequestHead::default()
    };
    match translate_request(config, admission, &head, body) {
        Ok(Outgoing::Request(sent)) => {
            let is_path =
                sent.path.starts_with('/') && sent.path.bytes().all(|b| b.is_ascii_graphic());
            assert!(is_path, "{:?}", sent.path);
            for (name, value) in &sent.headers {
                assert!(!value.contains(['\r', '\n', '\0']), "{name}: {value:?}");
            }
            let is_form = content_type.is_some();
            assert!(
                is_form || sent.body.as_deref().is_none_or(is_json),
                "{}: {}",
                config.provider,
                String::from_utf8_lossy(sent.body.as_deref().unwrap_or_default())
            );
        }
        Ok(Outgoing::Answer { body, .. }) => assert!(is_json(&body)),
        Err(error) => is_the_client_s(&error, admission.operation),
    }
}

fn is_the_client_s(error: &ApiError, operation: Operation) {
    assert!((400..500).contains(&error.status()), "{error:?}");
    assert!(
        is_json(&error.body(operation.client_dialect())),
        "{error:?}"
    );
}
