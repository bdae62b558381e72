//! What requests ask for that not every provider has: the edge names it, so that a plan can pass over
//! the deployments that would have to refuse.
//!
//! Which deployment lacks what is written down nowhere a second time: its dialect is asked, by having it
//! translate a request that demands just that.

mod table;

pub(crate) use table::is_common;

use std::borrow::Cow;

use dragoman_proto::{Admission, Operation, UpstreamConfig};
use serde_json::value::RawValue;

use crate::{head::RequestHead, json::Object, request::translate_request};

/// Something that a request may ask for and that not every provider has.
#[derive(Debug)]
pub(crate) struct Demand {
    /// What facts call it.
    pub(crate) name: &'static str,
    /// The member of the request that asks for it; `None` for any that no dialect knows.
    pub(crate) member: Option<&'static str>,
    /// The values of it that do.
    pub(crate) asks: Asks,
    /// Such a value.
    sample: &'static str,
}

/// Which values of a member ask for something. One that is null or absent never does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asks {
    Always,
    /// All but what stands for nothing: an empty text, list or object.
    NotEmpty,
    /// All but this truth value.
    Unless(bool),
    /// All but this number.
    Beside(f64),
    /// Numbers above this one.
    Above(f64),
    /// These words.
    Word(&'static [&'static str]),
    /// All but these words.
    OtherWord(&'static [&'static str]),
    /// Lists that hold this word.
    Holds(&'static str),
    /// Lists that hold any but these words.
    HoldsOther(&'static [&'static str]),
    /// Lists of more than one text.
    Several,
    /// Tokens in place of texts.
    Tokens,
    /// Sizes of pictures that not everybody draws.
    OddSize,
    /// Values in which this stands, however deep.
    Within(Part),
}

/// What stands deep in a request and is not for every provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Sound,
    /// A picture that is not here but at an address.
    PictureElsewhere,
    File,
    /// OpenAI's tools whose input is any text.
    CustomTool,
    SearchTool,
    /// Google's own tools, which have no type.
    GoogleTool,
    /// All other tools that a provider has itself.
    OtherTool,
}

/// The demands that requests for `operation` can make. What an endpoint has of its own stands for what
/// chat says of the same member.
pub(crate) fn of(operation: Operation) -> impl Iterator<Item = &'static Demand> {
    let (own, shared) = table::of(operation);
    let is_own = move |demand: &&Demand| {
        let known = |own: &Demand| own.member.is_some() && own.member == demand.member;
        !own.iter().any(known)
    };
    own.iter().chain(shared.iter().filter(is_own))
}

/// The names of the demands that a deployment cannot meet, of those that requests for `operation` make.
pub fn lacking(config: &UpstreamConfig, operation: Operation) -> Vec<&'static str> {
    let lacking = of(operation).filter(|demand| refuses(config, operation, demand));
    lacking.map(|demand| demand.name).collect()
}

/// Whether a deployment cannot meet the demand of this name.
pub fn lacks(config: &UpstreamConfig, operation: Operation, name: &str) -> bool {
    let mut known = of(operation);
    let demand = known.find(|demand| demand.name == name);
    demand.is_some_and(|demand| refuses(config, operation, demand))
}

/// Asks the deployment's dialect.
fn refuses(config: &UpstreamConfig, operation: Operation, demand: &Demand) -> bool {
    let sample = sample(operation, demand);
    let head = RequestHead::default();
    translate_request(config, &admission(operation), &head, &sample).is_err()
}

/// A request that makes this demand, and no other.
fn sample(operation: Operation, demand: &Demand) -> Vec<u8> {
    let mut request = Object::parse(table::plain(operation).as_bytes()).unwrap_or_default();
    let member = demand.member.unwrap_or(table::NOBODY_S);
    request.remove(member);
    if let Ok(value) = serde_json::from_str::<&RawValue>(demand.sample) {
        request.push(Cow::Borrowed(member), value);
    }
    request.to_bytes(256)
}

fn admission(operation: Operation) -> Admission {
    Admission {
        request_id: String::new(),
        admitted_ms: 0,
        alias: String::new(),
        operation,
        stream: false,
        output_cap: None,
        output_caps: Vec::new(),
        prompt_tokens: 0,
        key_id: String::new(),
        team_id: None,
        user_id: None,
        end_user: None,
        tags: Vec::new(),
        reserved: false,
        captured: Vec::new(),
        fallbacks: Vec::new(),
        headers: Vec::new(),
    }
}
