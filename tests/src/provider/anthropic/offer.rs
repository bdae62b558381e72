//! Which tools the model is offered: some wait until the conversation brings them in.

use super::super::{
    check::{Checked, Object},
    turn::Tool,
};

/// The tools of a request.
#[derive(Default)]
pub(super) struct Offer {
    /// Each with whether it is on offer.
    tools: Vec<(Tool, bool)>,
    /// Names of those that the provider runs itself; here it does without.
    own: Vec<String>,
}

impl Offer {
    pub(super) fn declare(&mut self, tool: Tool, deferred: bool) {
        self.tools.push((tool, !deferred));
    }

    pub(super) fn declare_own(&mut self, name: &str) {
        self.own.push(name.to_owned());
    }

    /// Whether the provider runs a tool itself.
    pub(super) fn is_own(&self, name: &str) -> bool {
        self.own.iter().any(|own| own == name)
    }

    /// Whether there are no tools at all.
    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.count() == 0
    }

    /// A `tool_reference` in a result: the tool is on offer from now on. Its name.
    pub(super) fn found(&mut self, reference: &mut Object<'_>) -> Checked<String> {
        let name = reference.need_text("tool_name")?;
        if self.set(name, true) {
            return Ok(name.to_owned());
        }
        let message = format!("Tool reference '{name}' not found in available tools");
        Err(reference.wrong("tool_name", message))
    }

    /// A `tool_addition` or a `tool_removal`.
    pub(super) fn change(&mut self, block: &mut Object<'_>, adds: bool) -> Checked<()> {
        let mut tool = block.object("tool")?.ok_or_else(|| block.missing("tool"))?;
        tool.one_of("type", &["tool_reference"])?;
        let name = tool.need_text("name")?;
        if !self.set(name, adds) {
            return Err(tool.wrong("name", format!("tool '{name}' is not declared in tools")));
        }
        tool.finish()
    }

    fn set(&mut self, name: &str, offered: bool) -> bool {
        let mut named = self.tools.iter_mut().filter(|(tool, _)| tool.name == name);
        named
            .next()
            .map(|(_, is_offered)| *is_offered = offered)
            .is_some()
    }

    /// How many are on offer.
    pub(super) fn count(&self) -> u64 {
        self.tools.iter().filter(|(_, offered)| *offered).count() as u64
    }

    /// Those on offer.
    pub(super) fn into_tools(self) -> Vec<Tool> {
        let offered = self.tools.into_iter().filter(|(_, offered)| *offered);
        offered.map(|(tool, _)| tool).collect()
    }
}
