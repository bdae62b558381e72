//! Which demands a request makes, member by member.

use dragoman_proto::Operation;

use serde::de::DeserializeSeed;
use serde_json::value::RawValue;

use super::{
    seen::Seen,
    tally::{Measure, Shape, Tally},
};
use crate::{
    demands::{self, Asks, Demand},
    gemini,
    hub::GATEWAY_ONLY,
};

/// The demands of a request, as they come to light.
#[derive(Default)]
pub(super) struct Demands {
    found: Vec<&'static Demand>,
    /// The client's `drop_params`.
    drop: Option<bool>,
    /// Members that the client lets go of, or insists on: they are refused by nobody.
    settled: Vec<String>,
}

impl Demands {
    /// Takes note of a member; `texts` are those of a list.
    pub(super) fn note(
        &mut self,
        operation: Operation,
        name: &str,
        shape: &Shape<'_>,
        texts: &mut Vec<String>,
    ) {
        match (name, shape) {
            ("drop_params", Shape::Bool(drop)) => self.drop = Some(*drop),
            ("additional_drop_params" | "allowed_openai_params", _) => self.settled.append(texts),
            _ if demands::is_common(operation, name) => {}
            _ => self.find(operation, name, shape, texts),
        }
    }

    fn find(&mut self, operation: Operation, name: &str, shape: &Shape<'_>, texts: &[String]) {
        let mut is_known = false;
        for demand in demands::of(operation).filter(|demand| demand.member == Some(name)) {
            is_known = true;
            if demand.asks.is_met_by(shape, texts) {
                self.push(demand);
            }
        }
        if !is_known && !GATEWAY_ONLY.contains(&name) {
            let others = demands::of(operation).find(|demand| demand.member.is_none());
            others.into_iter().for_each(|others| self.push(others));
        }
    }

    fn push(&mut self, demand: &'static Demand) {
        if !self.found.iter().any(|known| known.name == demand.name) {
            self.found.push(demand);
        }
    }

    /// Takes note of what stands deeper in the request.
    pub(super) fn note_within(&mut self, operation: Operation, seen: Seen) {
        for demand in demands::of(operation) {
            if matches!(demand.asks, Asks::Within(part) if seen.has(part)) {
                self.push(demand);
            }
        }
    }

    /// Whether the client lets go of what a provider lacks, if it says so.
    pub(super) fn drop_params(&self) -> Option<bool> {
        self.drop
    }

    /// Their names.
    pub(super) fn into_names(self) -> Vec<String> {
        let settled = |member: &str| self.settled.iter().any(|settled| settled == member);
        let open = self.found.iter();
        let open = open.filter(|demand| !demand.member.is_some_and(settled));
        open.map(|demand| demand.name.to_owned()).collect()
    }
}

/// Whether a member's value asks for something that not everybody has, as far as is known.
pub(crate) fn asks(operation: Operation, name: &str, value: &RawValue) -> bool {
    let (mut tally, mut texts) = (Tally::default(), Vec::new());
    let measure = Measure::collecting(&mut tally, &mut texts);
    let mut json = serde_json::Deserializer::from_str(value.get());
    let Ok(shape) = measure.deserialize(&mut json) else {
        return true;
    };
    let of_it = |demand: &&Demand| demand.member == Some(name);
    let mut known = demands::of(operation).filter(of_it).peekable();
    known.peek().is_none() || known.any(|demand| demand.asks.is_met_by(&shape, &texts))
}

impl Asks {
    /// Whether a value of this shape asks for something.
    fn is_met_by(self, shape: &Shape<'_>, texts: &[String]) -> bool {
        match self {
            Self::Always => true,
            Self::NotEmpty => !shape.is_empty(),
            Self::Unless(neutral) => *shape != Shape::Bool(neutral),
            Self::Beside(neutral) => number(shape) != Some(neutral),
            Self::Above(most) => number(shape).is_some_and(|number| number > most),
            Self::Word(words) => word(shape).is_some_and(|word| words.contains(&word)),
            Self::OtherWord(words) => !word(shape).is_some_and(|word| words.contains(&word)),
            Self::Holds(word) => texts.iter().any(|text| text == word),
            Self::HoldsOther(words) => texts.iter().any(|text| !words.contains(&text.as_str())),
            Self::Several => {
                matches!(shape, Shape::List { length, of_strings: true, .. } if *length > 1)
            }
            Self::Tokens => matches!(
                shape,
                Shape::List {
                    of_strings: false,
                    ..
                }
            ),
            Self::Within(_) => false,
            Self::OddSize => !word(shape).is_some_and(gemini::draws),
        }
    }
}

fn number(shape: &Shape<'_>) -> Option<f64> {
    match shape {
        #[expect(clippy::cast_precision_loss, reason = "small numbers are compared")]
        Shape::Whole(number) => Some(*number as f64),
        Shape::Number(number) => Some(*number),
        _ => None,
    }
}

fn word<'a>(shape: &'a Shape<'_>) -> Option<&'a str> {
    match shape {
        Shape::Text(word) => Some(word),
        _ => None,
    }
}
