//! Which of a request's tools the model is offered.
//!
//! Anthropic withholds a tool with `defer_loading` until the conversation brings it in: a search that
//! finds it (`tool_reference`), or a system message that adds it (`tool_addition`) or takes one away
//! (`tool_removal`). Nobody else has a word for that, so everybody else is given the tools that are
//! on offer where the conversation ends.
//!
//! <https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-search-tool>,
//! <https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages>

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::schema::{ToolChangeIn, ToolIn};

/// What Anthropic's own searches for tools are called, but for a date.
const SEARCH: &str = "tool_search_tool_";

/// A tool of the request, as it came too.
pub(super) type Declared<'a> = (ToolIn<'a>, &'a RawValue);

/// What the conversation changes, in its order.
#[derive(Debug, Default)]
pub(super) struct Changes<'a>(Vec<Change<'a>>);

#[derive(Debug)]
enum Change<'a> {
    Added(Cow<'a, str>),
    Defined(Declared<'a>),
    Removed(Cow<'a, str>),
}

impl<'a> Changes<'a> {
    /// A search found the tool with this name.
    pub(super) fn found(&mut self, name: Cow<'a, str>) {
        self.0.push(Change::Added(name));
    }

    /// A system message brings a tool in. The tool's name, unless it is none of the client's.
    pub(super) fn add(&mut self, tool: ToolChangeIn<'a>) -> Option<Cow<'a, str>> {
        let (change, name) = match (&*tool.r#type, tool.name, tool.definition) {
            ("tool_reference", Some(name), _) => (Change::Added(name.clone()), name),
            ("tool_definition", _, Some(raw)) => {
                let tool: ToolIn<'a> = serde_json::from_str(raw.get()).ok()?;
                let name = tool.name.clone();
                (Change::Defined((tool, raw)), name)
            }
            _ => return None,
        };
        self.0.push(change);
        Some(name)
    }

    /// A system message takes a tool away; likewise.
    pub(super) fn remove(&mut self, tool: ToolChangeIn<'a>) -> Option<Cow<'a, str>> {
        let name = tool.name.filter(|_| tool.r#type == "tool_reference")?;
        self.0.push(Change::Removed(name.clone()));
        Some(name)
    }

    /// The tools on offer after all changes, those that came later behind the others. Where the
    /// provider should search for tools, which only Anthropic does, all are on offer at once.
    pub(super) fn offered(self, declared: Vec<Declared<'a>>) -> Vec<Declared<'a>> {
        let searched = declared.iter().any(|(tool, _)| is_search(tool));
        let (mut withheld, mut offered): (Vec<_>, Vec<_>) = declared
            .into_iter()
            .partition(|(tool, _)| tool.defer_loading == Some(true) && !searched);
        for change in self.0 {
            let name = match &change {
                Change::Added(name) | Change::Removed(name) => name,
                Change::Defined((tool, _)) => &tool.name,
            };
            let at = |tools: &[Declared<'a>]| tools.iter().position(|(tool, _)| tool.name == *name);
            let (here, there) = (at(&offered), at(&withheld));
            match (change, here, there) {
                (Change::Added(_), None, Some(there)) => offered.push(withheld.remove(there)),
                (Change::Removed(_), Some(here), _) => withheld.push(offered.remove(here)),
                (Change::Defined(tool), Some(here), _) => {
                    offered.remove(here);
                    offered.push(tool);
                }
                (Change::Defined(tool), None, _) => offered.push(tool),
                _ => {}
            }
        }
        offered
    }
}

/// Whether this is the provider's own search for tools.
pub(super) fn is_search(tool: &ToolIn<'_>) -> bool {
    let kind = tool.r#type.as_deref();
    kind.is_some_and(|kind| kind.starts_with(SEARCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names on offer after `changes`: `+a` is added, `-a` is removed, `=a` is defined.
    fn offered(tools: &[&str], changes: &[&str]) -> Vec<String> {
        let tool = |name: &str| match name.strip_prefix('?') {
            Some(name) => format!(r#"{{"name":"{name}","defer_loading":true}}"#),
            None if name.starts_with(SEARCH) => format!(r#"{{"type":"{name}","name":"search"}}"#),
            None => format!(r#"{{"name":"{name}"}}"#),
        };
        let texts: Vec<String> = tools.iter().map(|name| tool(name)).collect();
        let declared = texts.iter().map(|text| {
            let raw = serde_json::from_str(text).unwrap();
            (serde_json::from_str(text).unwrap(), raw)
        });
        let mut all = Changes::default();
        for change in changes {
            let (sign, name) = change.split_at(1);
            let name = Cow::Owned(name.to_owned());
            all.0.push(match sign {
                "+" => Change::Added(name),
                "-" => Change::Removed(name),
                _ => {
                    let raw = serde_json::from_str(r#"{"name":"new"}"#).unwrap();
                    let tool = serde_json::from_str(r#"{"name":"new"}"#).unwrap();
                    Change::Defined((tool, raw))
                }
            });
        }
        let offered = all.offered(declared.collect()).into_iter();
        offered.map(|(tool, _)| tool.name.into_owned()).collect()
    }

    #[test]
    fn a_deferred_tool_waits_until_it_is_brought_in() {
        assert_eq!(offered(&["a", "?b", "?c"], &[]), ["a"]);
        assert_eq!(
            offered(&["a", "?b", "?c"], &["+c", "+b", "+c"]),
            ["a", "c", "b"]
        );
    }

    #[test]
    fn a_tool_goes_and_comes_back() {
        assert_eq!(offered(&["a", "b"], &["-a"]), ["b"]);
        assert_eq!(offered(&["a", "b"], &["-a", "+a"]), ["b", "a"]);
    }

    #[test]
    fn a_tool_is_defined_by_the_conversation() {
        assert_eq!(offered(&["a"], &["=new"]), ["a", "new"]);
        assert_eq!(offered(&["new", "a"], &["=new"]), ["a", "new"]);
    }

    #[test]
    fn nothing_waits_for_a_search_of_the_provider_s() {
        let tools = ["tool_search_tool_regex_20251119", "?a", "?b"];
        assert_eq!(offered(&tools, &[]), ["search", "a", "b"]);
    }

    #[test]
    fn what_is_not_declared_cannot_be_brought_in() {
        assert_eq!(offered(&["a"], &["+x", "-y"]), ["a"]);
    }
}
