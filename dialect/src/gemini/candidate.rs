//! What whole answers and streams have in common: finish reasons, ids of calls, likelihoods.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::schema::{AnswerCall, LogprobsResult, PromptFeedback, TokenCandidate};
use crate::{
    failure::Failure,
    json::{self, Text},
};

/// The longest id of a call that OpenAI's clients and providers take.
const MAX_CALL_ID: usize = 40;
/// How much of the request's id stands in a call's; its end is what differs.
const ID_TAIL: usize = 24;

/// OpenAI's finish reason.
pub(super) fn finish_reason(reason: &str, has_calls: bool) -> &'static str {
    match reason {
        "MAX_TOKENS" | "CONTINUATION" => "length",
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR"
        | "ESCALATION" => "content_filter",
        _ if has_calls => "tool_calls",
        _ => "stop",
    }
}

/// Whether the model failed at what it was about to say, so that another attempt may do better.
pub(super) fn is_malformed(reason: &str) -> bool {
    matches!(
        reason,
        "MALFORMED_FUNCTION_CALL"
            | "UNEXPECTED_TOOL_CALL"
            | "MALFORMED_RESPONSE"
            | "TOO_MANY_TOOL_CALLS"
            | "MISSING_THOUGHT_SIGNATURE"
    )
}

/// The failure of a model that said nothing but that it failed.
pub(super) fn malformed(provider: &str, reason: &str) -> Failure {
    Failure::garbage(
        provider,
        &format!("the model's answer is not usable ({reason})"),
    )
}

/// The failure of a prompt that Google refuses to answer.
pub(super) fn blocked(provider: &str, feedback: &PromptFeedback<'_>) -> Option<Failure> {
    let reason = feedback.block_reason.as_deref()?;
    Some(Failure {
        error: dragoman_proto::ApiError::new(
            dragoman_proto::ErrorKind::ContentPolicy,
            format!(
                "{provider}: the prompt was blocked ({})",
                crate::failure::scrub(reason)
            ),
        ),
        retryable: true,
    })
}

/// The id of a call: Google's, or one made of the request's id and the call's place.
pub(super) fn call_id(
    context_id: &str,
    call: &AnswerCall<'_>,
    choice: u64,
    position: u64,
) -> String {
    let own = call.id.as_deref().filter(|id| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !id.is_empty() && id.len() <= MAX_CALL_ID && id.chars().all(plain)
    });
    if let Some(id) = own {
        return id.to_owned();
    }
    let plain: Vec<char> = context_id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let tail: String = plain
        .iter()
        .skip(plain.len().saturating_sub(ID_TAIL))
        .collect();
    format!("call_{tail}_{choice}_{position}")
}

/// A call's arguments without the white space between them, which Google's JSON is full of.
pub(super) fn arguments(call: &AnswerCall<'_>) -> String {
    let Some(raw) = call.args.map(RawValue::get).filter(|args| *args != "null") else {
        return "{}".to_owned();
    };
    let mut out = String::with_capacity(raw.len());
    let mut in_string = false;
    let mut escaped = false;
    for c in raw.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_string = c == '"';
        }
        out.push(c);
    }
    out
}

/// A name that may be missing.
pub(super) fn name<'a>(call: &AnswerCall<'a>) -> Text<'a> {
    call.name.map_or(Text::Plain(""), Text::Raw)
}

/// Whether there is a text in it.
pub(super) fn has_text(raw: &RawValue) -> bool {
    !json::inner(raw).is_empty()
}

#[derive(Serialize)]
struct Logprobs<'a> {
    content: Vec<TokenLogprob<'a>>,
    refusal: Option<()>,
}

#[derive(Serialize)]
struct TokenLogprob<'a> {
    #[serde(flatten)]
    chosen: Token<'a>,
    top_logprobs: Vec<Token<'a>>,
}

#[derive(Serialize)]
struct Token<'a> {
    token: &'a str,
    logprob: Option<&'a RawValue>,
    bytes: &'a [u8],
}

fn token<'a>(candidate: &'a TokenCandidate<'a>) -> Token<'a> {
    Token {
        token: &candidate.token,
        logprob: candidate.log_probability,
        bytes: candidate.token.as_bytes(),
    }
}

/// OpenAI's `logprobs`.
pub(super) fn logprobs(result: &LogprobsResult<'_>) -> Option<Box<RawValue>> {
    let chosen = result.chosen_candidates.as_deref()?;
    let tops = result.top_candidates.as_deref().unwrap_or_default();
    let content = chosen
        .iter()
        .enumerate()
        .map(|(at, candidate)| TokenLogprob {
            chosen: token(candidate),
            top_logprobs: tops
                .get(at)
                .and_then(|top| top.candidates.as_deref())
                .unwrap_or_default()
                .iter()
                .map(token)
                .collect(),
        })
        .collect();
    to_raw_value(&Logprobs {
        content,
        refusal: None,
    })
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(json: &str) -> AnswerCall<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_id_is_google_s_or_made_of_the_request_s() {
        let request = "01990000-0000-7000-8000-0123456789ab";
        assert_eq!(call_id(request, &call(r#"{"id":"abc"}"#), 0, 0), "abc");
        let made = call_id(request, &call("{}"), 0, 2);
        assert_eq!(made, "call_000070008000".to_owned() + "0123456789ab_0_2");
        assert!(made.len() <= MAX_CALL_ID);
        assert_eq!(call_id(request, &call(r#"{"id":"a b"}"#), 0, 2), made);
    }

    #[test]
    fn arguments_lose_nothing_but_white_space() {
        let json = "{\"args\": {\n  \"a\" : \"x \\\" y\\\\\",\n \"b\": [1 , 2.50]\n}}";
        assert_eq!(arguments(&call(json)), r#"{"a":"x \" y\\","b":[1,2.50]}"#);
        assert_eq!(arguments(&call("{}")), "{}");
    }
}
