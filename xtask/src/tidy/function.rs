//! Finds functions in formatted Rust: rustfmt puts a function's closing brace at the indentation of
//! its first line.

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// Of its signature, from 1.
    pub(super) line: usize,
    /// From signature to closing brace.
    pub(super) lines: usize,
}

/// All functions of more than one line in `text`.
pub(super) fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| Some((index, name(line)?)));
    starts
        .filter_map(|(start, name)| {
            let indent = indentation(lines.get(start)?);
            let length = lines
                .get(start..)?
                .iter()
                .position(|line| indentation(line) == indent && closes(line.trim()))?;
            Some(Function {
                name: name.to_owned(),
                line: start + 1,
                lines: length + 1,
            })
        })
        .collect()
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The end of a body, or of a declaration without one, or both on the first line.
fn closes(line: &str) -> bool {
    line == "}" || line.ends_with(';') || (line.contains("fn ") && line.ends_with('}'))
}

/// The name, when `line` begins a function.
fn name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let before = [
        "pub",
        "pub(crate)",
        "pub(super)",
        "const",
        "async",
        "unsafe",
        "extern",
        "\"C\"",
    ];
    let keyword = words.find(|word| !before.contains(word))?;
    let name = words.next().filter(|_| keyword == "fn")?;
    name.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_from_signature_to_brace() {
        let text = "impl A {\n    pub(crate) async fn one<T>(\n        a: T,\n    ) -> u8 {\n        \
                    if a {\n        }\n        1\n    }\n\n    fn two(&self);\n}\n\nfn three() {}\n";
        let found = functions(text);
        let found: Vec<_> = found
            .iter()
            .map(|function| (function.name.as_str(), function.line, function.lines))
            .collect();
        assert_eq!(found, [("one", 2, 7), ("two", 10, 1), ("three", 13, 1)]);
    }
}
