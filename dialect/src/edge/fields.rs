//! A JSON body, member by member: types checked, facts taken.

use std::fmt;

use dragoman_proto::{ApiError, ClientDialect, Extent, Facts, Operation, Overrides};
use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    demands::Demands,
    invalid_json,
    kinds::{kind, required},
    media::Medium,
    tally::{MAX_NAME, MAX_TEXTS, Measure, Shape, Tally},
    tools::is_a_usual_tier,
};
use crate::json::{Name, Object};

/// More choices than any provider makes.
const MAX_CHOICES: i64 = 128;

pub(super) fn inspect(operation: Operation, path: &str, body: &[u8]) -> Result<Facts, ApiError> {
    let mut inspector = Inspector {
        operation,
        facts: Facts {
            model: None,
            operation,
            stream: false,
            prompt_tokens: 0,
            prompt_bound: 0,
            extent: Extent::default(),
            max_tokens: None,
            choices: 1,
            user: None,
            demands: Vec::new(),
            path: path.to_owned(),
            arriving: false,
            overrides: Overrides::default(),
        },
        tally: Tally::default(),
        demands: Demands::default(),
        best_of: 1,
        prompts: 1,
        seen: Vec::new(),
        fault: None,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = deserializer
        .deserialize_map(&mut inspector)
        .and_then(|()| deserializer.end());
    if let Some(fault) = inspector.fault {
        return Err(fault);
    }
    parsed.map_err(|error| invalid_json(&error))?;
    for name in required(operation) {
        if !inspector.seen.contains(name) {
            return Err(
                ApiError::invalid(format!("missing required parameter: {name}"))
                    .param(*name)
                    .code("missing_required_parameter"),
            );
        }
    }
    Ok(inspector.into_facts())
}

struct Inspector {
    operation: Operation,
    facts: Facts,
    tally: Tally,
    demands: Demands,
    /// Completions that are made and charged for each that is returned.
    best_of: u32,
    /// Prompts, each of which is completed.
    prompts: u32,
    /// Required members that are there.
    seen: Vec<&'static str>,
    /// What is wrong; the parser's own error only stops it.
    fault: Option<ApiError>,
}

impl Inspector {
    fn into_facts(mut self) -> Facts {
        self.demands.note_within(self.operation, *self.tally.seen());
        let mut facts = self.facts;
        facts.prompt_tokens = self.tally.estimate();
        facts.prompt_bound = self.tally.bound();
        facts.extent = self.tally.into_extent();
        facts.choices = facts.choices.max(self.best_of);
        facts.choices = facts.choices.saturating_mul(self.prompts);
        facts.overrides.drop_params = self.demands.drop_params();
        facts.demands = self.demands.into_names();
        facts
    }

    fn fault<T, E: serde::de::Error>(&mut self, error: ApiError) -> Result<T, E> {
        self.fault = Some(error);
        Err(E::custom("invalid request"))
    }

    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let required = required(self.operation)
            .iter()
            .find(|known| **known == name);
        let mut texts = Vec::new();
        // What is for the gateway is no part of the prompt.
        let mut aside = Tally::default();
        self.tally.seen().in_conversation = matches!(name, "messages" | "input");
        let shape = match name {
            "metadata" if self.operation.client_dialect() == ClientDialect::Anthropic => {
                let raw: &'de RawValue = map.next_value()?;
                self.end_user(raw);
                Measure::collecting(&mut aside, &mut texts)
                    .deserialize(&mut serde_json::Deserializer::from_str(raw.get()))
                    .map_err(serde::de::Error::custom)?
            }
            "fallbacks"
            | "tags"
            | "metadata"
            | "additional_drop_params"
            | "allowed_openai_params" => {
                map.next_value_seed(Measure::collecting(&mut aside, &mut texts))?
            }
            "modalities" => {
                map.next_value_seed(Measure::collecting(&mut self.tally, &mut texts))?
            }
            "tools" => map.next_value_seed(Measure::tools(&mut self.tally))?,
            "prediction" => {
                let shape = map.next_value_seed(Measure::new(&mut aside))?;
                self.tally.predicted(&aside);
                shape
            }
            _ => map.next_value_seed(Measure::new(&mut self.tally))?,
        };
        if shape == Shape::Null {
            return Ok(());
        }
        if let Some(kind) = kind(self.operation, name)
            && !kind.accepts(&shape)
        {
            let message = format!("{name} must be {}", kind.name());
            return self.fault(ApiError::invalid(message).param(name));
        }
        match name {
            "fallbacks" => self.facts.overrides.fallbacks = Some(texts),
            "tags" | "metadata" => {
                let tags = &mut self.facts.overrides.tags;
                tags.append(&mut texts);
                tags.truncate(MAX_TEXTS);
            }
            _ => {
                if let Err(error) = self.note(name, &shape) {
                    return self.fault(error);
                }
                self.note_extent(name, &shape);
                self.demands.note(self.operation, name, &shape, &mut texts);
            }
        }
        self.seen.extend(required);
        Ok(())
    }

    /// The end user of a Messages request, in its metadata.
    fn end_user(&mut self, metadata: &RawValue) {
        let user = Object::parse(metadata.get().as_bytes())
            .ok()
            .and_then(|metadata| metadata.read::<String>("user_id"))
            .filter(|user| !user.is_empty() && user.len() <= MAX_NAME);
        if user.is_some() {
            self.facts.user = user;
        }
    }

    /// Takes a fact out of a member whose type is right.
    fn note(&mut self, name: &str, shape: &Shape<'_>) -> Result<(), ApiError> {
        let facts = &mut self.facts;
        match (name, shape) {
            ("model" | "user", Shape::LongText) => {
                let message = format!("{name} is longer than {MAX_NAME} bytes");
                return Err(ApiError::invalid(message).param(name));
            }
            ("model", Shape::Text(model)) if model.trim().is_empty() => {
                return Err(ApiError::invalid("model is empty").param("model"));
            }
            ("model", Shape::Text(model)) => facts.model = Some(model.clone().into_owned()),
            ("user", Shape::Text(user)) => facts.user = Some(user.clone().into_owned()),
            ("stream", Shape::Bool(stream)) => facts.stream = *stream,
            ("max_tokens" | "max_completion_tokens" | "max_output_tokens", Shape::Whole(max)) => {
                // The larger of two is the safe one for a reservation.
                facts.max_tokens = facts.max_tokens.max(u64::try_from(*max).ok());
            }
            ("n", Shape::Whole(n)) if *n > MAX_CHOICES => {
                return Err(ApiError::invalid("n is at most 128").param("n"));
            }
            ("n", Shape::Whole(n)) => {
                // The larger of two, as above.
                facts.choices = facts.choices.max(u32::try_from(*n).unwrap_or(1));
            }
            (
                "messages",
                Shape::List {
                    length, roleless, ..
                },
            ) => {
                self.tally.messages(*length);
                if let Some(index) = roleless {
                    let place = format!("messages[{index}]");
                    let what = format!("{place} must be an object with a role, which is a string");
                    return Err(ApiError::invalid(what).param(place));
                }
            }
            ("disable_fallbacks", Shape::Bool(flag)) => facts.overrides.disable_fallbacks = *flag,
            ("num_retries", Shape::Whole(n)) => {
                facts.overrides.num_retries = Some(u32::try_from(*n).map_err(|_| {
                    ApiError::invalid("num_retries must be an integer of at least 0")
                        .param("num_retries")
                })?);
            }
            ("timeout", Shape::Whole(_) | Shape::Number(_)) => {
                facts.overrides.timeout_ms = Some(timeout_ms(shape)?);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Inspector {
    /// What makes a request cost more than its text tells.
    fn note_extent(&mut self, name: &str, shape: &Shape<'_>) {
        use Operation::{Completions, Messages, Responses};
        let tally = &mut self.tally;
        match (name, self.operation, shape) {
            ("tools" | "functions", _, Shape::List { length, .. }) if *length > 0 => tally.tools(),
            // Where a provider has no schemas, a tool stands for one.
            ("response_format", _, Shape::Object { .. }) => tally.tools(),
            ("previous_response_id" | "conversation" | "prompt", Responses, _)
            | ("container", Messages, _)
            // What Google keeps, by whichever client and under whichever name.
            | ("cached_content" | "extra_body" | "google", _, _) => {
                tally.medium(Medium::Elsewhere);
            }
            ("best_of", Completions, Shape::Whole(n)) => {
                self.best_of = u32::try_from(*n).unwrap_or(u32::MAX).max(self.best_of);
            }
            (
                "prompt",
                Completions,
                Shape::List {
                    length,
                    of_strings,
                    of_lists,
                    ..
                },
            ) if *of_strings || *of_lists => {
                self.prompts = u32::try_from(*length).unwrap_or(u32::MAX).max(self.prompts);
            }
            ("service_tier", _, Shape::Text(tier)) if is_a_usual_tier(tier) => {}
            ("inference_geo", _, Shape::Text(place)) if place == "global" => {}
            ("speed", _, Shape::Text(speed)) if speed == "standard" => {}
            ("service_tier" | "inference_geo" | "speed", _, Shape::Text(_) | Shape::LongText)
            | ("web_search_options" | "search_parameters", _, Shape::Object { .. })
            // Bedrock's own.
            | (
                "serviceTier" | "performanceConfig" | "guardrailConfig" | "promptVariables",
                _,
                Shape::Object { .. },
            ) => {
                tally.unbounded(name.to_owned());
            }
            ("mcp_servers" | "models" | "plugins", _, Shape::List { length, .. })
                if *length > 0 =>
            {
                tally.unbounded(name.to_owned());
            }
            _ => {}
        }
    }
}

/// Whole milliseconds of a timeout in seconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded before"
)]
fn timeout_ms(shape: &Shape<'_>) -> Result<u64, ApiError> {
    const DAY: f64 = 86_400.0;
    let seconds = match shape {
        Shape::Whole(n) => u32::try_from(*n).map_or(if *n > 0 { DAY } else { 0.0 }, f64::from),
        Shape::Number(n) => *n,
        _ => 0.0,
    };
    if seconds > 0.0 {
        Ok((seconds.min(DAY) * 1000.0).ceil() as u64)
    } else {
        Err(ApiError::invalid("timeout must be more than 0 seconds").param("timeout"))
    }
}

impl<'de> Visitor<'de> for &mut Inspector {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            self.member(&name, &mut map)?;
        }
        Ok(())
    }
}
