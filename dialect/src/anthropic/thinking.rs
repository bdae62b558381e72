//! `reasoning_effort` as Anthropic's thinking.

use super::schema::{OutputConfig, Thinking, TypedThinking};
use crate::{
    hub::{self, ToolChoice, Unsupported},
    json::{self, Object},
};

/// The smallest budget that the API takes.
const MIN_BUDGET: u64 = 1024;

/// The budget that fits below `max_tokens`, of which it is a part; `None` when there is no room to think.
pub(crate) fn budget(wanted: u64, max_tokens: u64) -> Option<u64> {
    let budget = wanted.min(max_tokens.saturating_sub(1));
    (budget >= MIN_BUDGET).then_some(budget)
}

/// What an effort becomes.
#[derive(Debug, Default)]
pub(crate) struct Effort<'a> {
    pub(crate) thinking: Option<Thinking<'a>>,
    pub(crate) output_config: Option<OutputConfig<'a>>,
    /// The `max_tokens` that holds thinking and answer.
    pub(crate) max_tokens: u64,
    /// There is no room to think under the output cap.
    pub(crate) squeezed: bool,
}

/// An effort for `model`, whose answer may have `max_tokens`, in all at most `cap`.
///
/// Models up to 4.5 take a budget, which counts towards `max_tokens` and therefore raises it; from
/// 4.6 on they think as much as they find right, and the effort is a hint
/// (<https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking>). `None` for an effort
/// that is not known.
pub(crate) fn effort<'a>(
    effort: &str,
    model: &str,
    max_tokens: u64,
    cap: Option<u64>,
) -> Option<Effort<'a>> {
    let (budget, name) = match effort {
        "none" => {
            return Some(Effort {
                max_tokens,
                ..Effort::default()
            });
        }
        "minimal" | "low" => (MIN_BUDGET, "low"),
        "medium" => (2048, "medium"),
        "high" => (4096, "high"),
        "xhigh" if version(model) >= Some((4, 7)) => (8192, "xhigh"),
        "xhigh" | "max" => (8192, "max"),
        _ => return None,
    };
    if version(model) >= Some((4, 6)) {
        return Some(Effort {
            thinking: Some(Thinking::Typed(TypedThinking::Adaptive)),
            output_config: Some(OutputConfig { effort: name }),
            max_tokens,
            squeezed: false,
        });
    }
    let raised = max_tokens.saturating_add(budget);
    let total = cap.map_or(raised, |cap| raised.min(cap));
    let Some(budget_tokens) = self::budget(budget, total) else {
        return Some(Effort {
            max_tokens: max_tokens.min(total),
            squeezed: true,
            ..Effort::default()
        });
    };
    Some(Effort {
        thinking: Some(Thinking::Typed(TypedThinking::Enabled { budget_tokens })),
        max_tokens: total,
        ..Effort::default()
    })
}

/// Takes out of `request` what a Claude that thinks refuses
/// (<https://platform.claude.com/docs/en/build-with-claude/extended-thinking#feature-compatibility>): a
/// temperature, `top_k`, a low `top_p`. A tool that must be called it refuses too; there the effort, which
/// is a hint, gives way.
pub(crate) fn reconcile(request: &mut Object<'_>, unsupported: &mut Unsupported) {
    const EFFORT: &str = "reasoning_effort";
    const LEAST_TOP_P: f64 = 0.95;
    let own: Option<String> = request.object("thinking").read("type");
    let thinks = matches!(own.as_deref(), Some("enabled" | "adaptive"));
    let effort = request.some(EFFORT).and_then(json::string);
    let tries = own.is_none() && effort.is_some_and(|word| word != "none");
    if tries && must_call(request) {
        unsupported.leave_out(EFFORT);
        request.remove(EFFORT);
        return;
    }
    if !thinks && !tries {
        return;
    }
    unsupported.refuse_demands(request, &[("temperature", "1"), ("top_k", "0")]);
    if request
        .read::<f64>("top_p")
        .is_some_and(|p| p < LEAST_TOP_P)
        && !unsupported.is_allowed("top_p")
    {
        unsupported.refuse("top_p");
        request.remove("top_p");
    }
}

/// Whether the model is left no choice but to call a tool.
fn must_call(request: &Object<'_>) -> bool {
    let choice = request.some("tool_choice").map(hub::tool_choice);
    matches!(
        choice,
        Some(Ok(ToolChoice::Required | ToolChoice::Named(_)))
    ) && hub::tools(request).is_ok_and(|tools| !tools.is_empty())
}

/// The version in a model's name: `claude-opus-4-5-20251101` is 4.5. Dates are no versions.
pub(crate) fn version(model: &str) -> Option<(u64, u64)> {
    let name = model.get(model.find("claude")?..)?;
    let mut numbers = name
        .split(['-', '.', '@', ':'])
        .map(|part| part.parse::<u64>().ok().filter(|n| *n < 100));
    let major = numbers.by_ref().flatten().next()?;
    let minor = numbers.next().flatten().unwrap_or_default();
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_names() {
        for (model, expected) in [
            ("claude-3-5-sonnet-20241022", Some((3, 5))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-opus-4-5-20251101", Some((4, 5))),
            ("claude-opus-4-6", Some((4, 6))),
            ("claude-sonnet-5", Some((5, 0))),
            ("anthropic.claude-haiku-4-5-20251001-v1:0", Some((4, 5))),
            ("claude-instant", None),
            ("other", None),
        ] {
            assert_eq!(version(model), expected, "{model}");
        }
    }

    #[test]
    fn a_budget_raises_the_limit_but_not_over_the_cap() {
        let free = effort("low", "claude-sonnet-4", 4096, None).unwrap();
        assert_eq!(free.max_tokens, 5120);
        let capped = effort("high", "claude-sonnet-4", 4096, Some(3000)).unwrap();
        assert_eq!(capped.max_tokens, 3000);
        let squeezed = effort("low", "claude-sonnet-4", 500, Some(500)).unwrap();
        assert!(squeezed.squeezed && squeezed.thinking.is_none());
        assert_eq!(squeezed.max_tokens, 500);
    }
}
