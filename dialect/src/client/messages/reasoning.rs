//! The client's wish for thinking.
//!
//! A budget becomes an effort: below 4096 tokens `low`, below 16384 `medium`, else `high`. A model that
//! is not known to reason is not asked to. A Claude behind another API is asked in its own words, because
//! there as in Messages `max_tokens` holds the thinking, and must not be raised for it.

use dragoman_proto::ApiError;

use super::{
    super::chat::read,
    schema::{OutputConfig, ThinkingConfig},
};
use crate::{
    anthropic::{self, TypedThinking},
    hub::Unsupported,
    json::Object,
    registry::ProviderDialect,
    request::Call,
};

const FIELD: &str = "reasoning_effort";
/// The effort of a Claude that is left to think as it finds right.
const USUAL: &str = "high";

/// Puts it into `chat`, or leaves it out.
pub(super) fn reasoning(
    folder: &dyn ProviderDialect,
    call: &Call<'_>,
    request: &Object<'_>,
    config: &OutputConfig<'_>,
    chat: &mut Object<'_>,
    unsupported: &mut Unsupported,
) -> Result<(), ApiError> {
    let thinking: Option<ThinkingConfig<'_>> = read(request, "thinking")?;
    if request.some(FIELD).is_some() {
        return Ok(());
    }
    let version =
        anthropic::version(&call.config.model).filter(|_| folder.takes_extras(call.config));
    let wish = Wish {
        effort: config.effort.as_deref(),
        budget: thinking
            .as_ref()
            .and_then(|thinking| thinking.budget_tokens),
        kind: thinking.as_ref().map(|thinking| &*thinking.r#type),
    };
    if let Some(version) = version.filter(|_| folder.reasons(call.config)) {
        wish.of_claude(version, call, request, chat, unsupported);
    } else if let Some(effort) = wish.level() {
        if folder.reasons(call.config) {
            chat.set(FIELD, effort);
        } else {
            unsupported.leave_out("thinking");
        }
    }
    Ok(())
}

/// What is wished for.
struct Wish<'a> {
    effort: Option<&'a str>,
    budget: Option<u64>,
    /// The type of `thinking`.
    kind: Option<&'a str>,
}

impl Wish<'_> {
    /// As an effort that everybody knows.
    fn level(&self) -> Option<&'static str> {
        match (self.kind, self.effort, self.budget) {
            (Some("disabled"), ..) => None,
            (_, Some("low"), _) => Some("low"),
            (_, Some("medium"), _) => Some("medium"),
            (_, Some(_), _) => Some("high"),
            (_, None, Some(budget)) => Some(match budget {
                0..4096 => "low",
                4096..16384 => "medium",
                _ => "high",
            }),
            (_, None, None) => None,
        }
    }

    /// In Claude's own words, as its `version` knows them.
    fn of_claude(
        &self,
        version: (u64, u64),
        call: &Call<'_>,
        request: &Object<'_>,
        chat: &mut Object<'_>,
        unsupported: &mut Unsupported,
    ) {
        let asked: u64 = request.read("max_tokens").unwrap_or(u64::MAX);
        let limit = call
            .admission
            .output_cap
            .map_or(asked, |cap| asked.min(cap));
        let measured = version >= (4, 6);
        if let (true, Some(effort)) = (measured, self.effort) {
            chat.set("output_config", &anthropic::OutputConfig { effort });
        }
        match (self.kind, self.budget) {
            (Some("enabled"), Some(budget)) => match anthropic::budget(budget, limit) {
                Some(budget_tokens) => {
                    chat.set("thinking", &TypedThinking::Enabled { budget_tokens });
                }
                None => unsupported.leave_out("thinking"),
            },
            (Some("adaptive"), _) if measured => chat.set("thinking", &TypedThinking::Adaptive),
            (Some("adaptive"), _) => {
                let effort = self.effort.unwrap_or(USUAL);
                let model = &call.config.model;
                match anthropic::effort(effort, model, limit, Some(limit)) {
                    Some(anthropic::Effort {
                        thinking: Some(thinking),
                        ..
                    }) => {
                        chat.set("thinking", &thinking);
                    }
                    _ => unsupported.leave_out("thinking"),
                }
            }
            (None, _) if !measured && self.effort.is_some() => {
                unsupported.leave_out("output_config");
            }
            _ => {}
        }
    }
}
