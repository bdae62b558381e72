//! Each request and answer in each dialect, beside which a reader can lay the provider's manual.

use std::fmt::Write;

use dragoman_proto::ClientDialect;

use crate::support::{DIALECTS, JSON, answer, chat, context, fixtures, pretty};

/// Deployments whose requests stand side by side in one snapshot, and what its name begins with.
const GROUPS: [(&str, &[&str]); 7] = [
    (
        "request",
        &[
            "openai",
            "openai-reasoning",
            "groq",
            "anthropic",
            "anthropic-new",
        ],
    ),
    ("request__ollama", &["ollama", "ollama-levels"]),
    ("request__azure", &["azure", "azure-reasoning"]),
    ("request__gemini", &["gemini", "gemini-2", "gemini-3"]),
    ("request__vertex_ai", &["vertex-gemini", "vertex-claude"]),
    ("request__cohere", &["cohere"]),
    (
        "request__bedrock",
        &["bedrock", "bedrock-new", "bedrock-nova", "bedrock-llama"],
    ),
];

#[test]
fn requests_in_each_dialect() {
    for (name, body) in fixtures("requests") {
        for (group, targets) in GROUPS {
            let text: String = targets
                .iter()
                .map(|target| request(target, &body))
                .collect();
            insta::assert_snapshot!(format!("{group}__{name}"), text);
        }
    }
}

/// What a deployment is sent.
fn request(target: &str, body: &[u8]) -> String {
    let mut text = format!("=== {target}\n");
    match chat(target, body) {
        Ok(translated) => {
            let _ = writeln!(text, "POST {}", translated.path);
            for (header, value) in &translated.headers {
                let _ = writeln!(text, "{header}: {value}");
            }
            if !translated.dropped.is_empty() {
                let _ = writeln!(text, "dropped: {}", translated.dropped.join(", "));
            }
            let sent = translated.body.as_deref().unwrap_or(body);
            let _ = writeln!(text, "\n{}\n", pretty(sent));
        }
        Err(error) => {
            let body = error.body(ClientDialect::OpenAi);
            let _ = writeln!(text, "{} {}\n", error.status(), pretty(&body));
        }
    }
    text
}

#[test]
fn answers_of_each_dialect() {
    for dialect in DIALECTS {
        for (name, body) in fixtures(&format!("answers/{dialect}")) {
            let extra = if name == "json_schema" {
                r#","response_format":{"type":"json_schema","json_schema":{"name":"n"}}"#
            } else {
                ""
            };
            let outcome = answer(&context(dialect, extra), JSON, &body);
            let text = format!(
                "{:?}\n{}\n\n{}",
                outcome.head,
                outcome.report,
                pretty(outcome.body.as_bytes())
            );
            insta::assert_snapshot!(format!("answer__{dialect}__{name}"), text);
        }
    }
}
