//! Tools that the provider runs itself: what they read and what they cost, no request tells.

use super::tally::Shape;
use crate::demands::Part;

/// A tool, member by member.
#[derive(Debug, Default)]
pub(super) struct ToolSeen {
    kind: Option<String>,
    /// Its first member, which names Google's own tools.
    first: Option<String>,
    /// Whether it is declared as something to call.
    declared: bool,
}

impl ToolSeen {
    /// One of its members.
    pub(super) fn member(&mut self, name: &str, shape: &Shape<'_>) {
        self.first.get_or_insert_with(|| name.to_owned());
        match (name, shape) {
            ("type", Shape::Text(kind)) => self.kind = Some(kind.clone().into_owned()),
            ("type", Shape::LongText) => self.kind = Some("unknown".to_owned()),
            ("name" | "function" | "toolSpec", _) => self.declared = true,
            _ => {}
        }
    }

    /// What it is to providers, when it is no function.
    pub(super) fn part(&self) -> Option<Part> {
        match self.kind.as_deref() {
            Some("function") => None,
            Some("custom") => Some(Part::CustomTool),
            Some(kind) if kind.starts_with("web_search") => Some(Part::SearchTool),
            Some(_) => Some(Part::OtherTool),
            None => (!self.declared).then_some(Part::GoogleTool),
        }
    }

    /// Its name, when it is the provider who runs it.
    pub(super) fn of_the_provider(self) -> Option<String> {
        match self.kind {
            Some(kind) => (!is_the_client_s(&kind)).then_some(kind),
            None => self.first.filter(|_| !self.declared),
        }
    }
}

/// Whether the client is who runs a tool of this type, so that a request with it costs what its tokens
/// cost. OpenAI's types are whole, Anthropic's carry a date.
///
/// <https://platform.openai.com/docs/guides/tools>,
/// <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview>
fn is_the_client_s(kind: &str) -> bool {
    const WHOLE: [&str; 6] = [
        "function",
        "custom",
        "local_shell",
        "apply_patch",
        "computer",
        "computer_use_preview",
    ];
    const DATED: [&str; 4] = ["bash_", "text_editor_", "computer_20", "memory_"];
    WHOLE.contains(&kind) || DATED.iter().any(|start| kind.starts_with(start))
}

/// Whether requests of this service tier cost what the model's prices say, or less.
pub(super) fn is_a_usual_tier(tier: &str) -> bool {
    const USUAL: [&str; 8] = [
        "auto",
        "default",
        "standard",
        "standard_only",
        "flex",
        "on_demand",
        "batch",
        "scale",
    ];
    USUAL.contains(&tier)
}
