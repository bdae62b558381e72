//! What LiteLLM's users write for a model on Bedrock: the model's id behind words that say how and
//! where it is reached.

/// Words that say by which of Bedrock's APIs.
const ROUTES: [&str; 3] = ["converse/", "invoke/", "converse_like/"];

/// A model's name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BedrockName<'a> {
    /// Where it is, as far as the name says so: `us-east-1`.
    pub region: Option<&'a str>,
    /// The id or ARN that Bedrock knows it by: `us.anthropic.claude-sonnet-4-20250514-v1:0`.
    pub id: &'a str,
}

impl<'a> BedrockName<'a> {
    /// Takes `converse/us-east-1/anthropic.claude-v2`, `nova/arn:aws:bedrock:…` and the like apart.
    pub fn parse(name: &'a str) -> Self {
        let mut id = name;
        while let Some(rest) = ROUTES.iter().find_map(|route| id.strip_prefix(route)) {
            id = rest;
        }
        if let Some(arn) = arn(id) {
            let region = arn.split(':').nth(3).filter(|region| is_region(region));
            return Self { region, id: arn };
        }
        match id.split_once('/') {
            Some((region, rest)) if is_region(region) => Self {
                region: Some(region),
                // Between the two may be a commitment, which only prices know.
                id: rest.rsplit('/').next().unwrap_or(rest),
            },
            _ => Self { region: None, id },
        }
    }
}

/// An ARN, before which the kind of model may stand.
fn arn(name: &str) -> Option<&str> {
    if name.starts_with("arn:") {
        return Some(name);
    }
    let at = name.find("/arn:")?;
    name.get(at + 1..)
}

/// Whether this is the name of a region: `eu-west-1`, `us-gov-west-1`.
pub fn is_region(text: &str) -> bool {
    let mut parts = text.split('-');
    let number = parts.next_back().unwrap_or_default();
    let words: Vec<&str> = parts.collect();
    words.len() >= 2
        && words
            .iter()
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart() {
        const ARN: &str = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1";
        let with = |prefix: &str| format!("{prefix}{ARN}");
        for (name, region, id) in [
            ("anthropic.claude-v2:1", None, "anthropic.claude-v2:1"),
            (
                "converse/us.amazon.nova-lite-v1:0",
                None,
                "us.amazon.nova-lite-v1:0",
            ),
            (
                "us-east-1/meta.llama3-8b",
                Some("us-east-1"),
                "meta.llama3-8b",
            ),
            (
                "invoke/us-gov-west-1/1-month-commitment/anthropic.claude-v2",
                Some("us-gov-west-1"),
                "anthropic.claude-v2",
            ),
            (ARN, Some("eu-west-1"), ARN),
            (&with("converse/"), Some("eu-west-1"), ARN),
            (&with("nova/"), Some("eu-west-1"), ARN),
            ("arn:aws:bedrock:::x", None, "arn:aws:bedrock:::x"),
            ("imported/model", None, "imported/model"),
        ] {
            assert_eq!(
                BedrockName::parse(name),
                BedrockName { region, id },
                "{name}"
            );
        }
    }

    #[test]
    fn a_region_is_words_and_a_number() {
        assert!(is_region("ap-southeast-2") && is_region("us-gov-west-1"));
        for text in [
            "us",
            "us-east",
            "east-1",
            "us-east-x",
            "US-EAST-1",
            "us--1",
            "a/b-c-1",
        ] {
            assert!(!is_region(text), "{text}");
        }
    }
}
