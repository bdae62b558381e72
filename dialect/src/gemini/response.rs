//! Whole answers of Gemini's as chat completions.

use serde_json::value::RawValue;

use super::{
    candidate, error,
    grounding::{self, Places},
    schema::{AnswerCall, AnswerPart, Candidate, GenerateAnswer},
};
use crate::{
    failure::Failure,
    hub::{
        self, CompletionChoice, ExtraContent, FunctionCall, Message, Picture, ProviderFields,
        ToolCall, UsageOut,
    },
    json::{self, Text},
    meter::Meter,
    request::ResponseContext,
};

/// The client's answer.
pub(super) fn translate(
    context: &ResponseContext,
    body: &[u8],
    meter: &mut Meter,
) -> Result<Vec<u8>, Failure> {
    let provider = &context.provider;
    let (answer, candidates) = read(provider, body)?;
    let said: Vec<Said<'_>> = candidates
        .iter()
        .zip(0..)
        .map(|(candidate, at)| Said::new(context, candidate, at))
        .collect();
    match &answer.usage_metadata {
        Some(usage) => meter.counted(usage.usage()),
        None => meter.output(said.iter().map(Said::len).sum()),
    }
    let failed = |(candidate, said): (&Candidate<'_>, &Said<'_>)| {
        let reason = candidate.finish_reason.as_deref().unwrap_or_default();
        (candidate::is_malformed(reason) && said.is_nothing())
            .then(|| candidate::malformed(provider, reason))
    };
    let failures: Option<Vec<Failure>> = candidates.iter().zip(&said).map(failed).collect();
    if let Some(failure) = failures.and_then(|all| all.into_iter().next()) {
        return Err(failure);
    }
    let choices: Vec<CompletionChoice<'_>> = candidates
        .iter()
        .zip(&said)
        .map(|(candidate, said)| said.choice(candidate))
        .collect();
    let usage = UsageOut::new(&meter.usage());
    Ok(hub::completion(context, &choices, usage))
}

/// An answer and its candidates, of which there is at least one.
pub(super) fn read<'a>(
    provider: &str,
    body: &'a [u8],
) -> Result<(GenerateAnswer<'a>, Vec<Candidate<'a>>), Failure> {
    let garbage = || Failure::garbage(provider, "the answer is not Gemini's");
    let failure = |error| Failure::of_provider(provider, 502, &error, None);
    let mut answer: GenerateAnswer<'_> =
        json::parse(body).map_err(|_| error::read(body).map_or_else(garbage, failure))?;
    if let Some(raw) = answer.error.filter(|raw| raw.get() != "null") {
        let error = error::object(raw);
        let status = error.status.unwrap_or(502);
        return Err(Failure::of_provider(provider, status, &error, None));
    }
    let candidates = answer.candidates.take().unwrap_or_default();
    if candidates.is_empty() {
        let feedback = answer.prompt_feedback.as_ref();
        let blocked = feedback.and_then(|feedback| candidate::blocked(provider, feedback));
        return Err(blocked.unwrap_or_else(garbage));
    }
    Ok((answer, candidates))
}

/// What one candidate says.
struct Said<'a> {
    index: u64,
    texts: Vec<&'a RawValue>,
    thoughts: Vec<&'a RawValue>,
    calls: Vec<SaidCall<'a>>,
    /// Of the text.
    signature: Option<&'a RawValue>,
    pictures: Vec<String>,
}

struct SaidCall<'a> {
    id: String,
    name: Text<'a>,
    arguments: String,
    signature: Option<&'a RawValue>,
}

impl<'a> Said<'a> {
    fn new(context: &ResponseContext, candidate: &Candidate<'a>, at: u64) -> Self {
        let mut said = Self {
            index: candidate.index.unwrap_or(at),
            texts: Vec::new(),
            thoughts: Vec::new(),
            calls: Vec::new(),
            signature: None,
            pictures: Vec::new(),
        };
        let parts = candidate.content.as_ref().and_then(|c| c.parts.as_deref());
        for part in parts.unwrap_or_default() {
            said.add(context, part);
        }
        said
    }

    fn add(&mut self, context: &ResponseContext, part: &AnswerPart<'a>) {
        if let Some(call) = &part.function_call {
            self.call(context, call, part.thought_signature);
        } else if let Some(text) = part.text {
            if part.thought == Some(true) {
                self.thoughts.push(text);
            } else {
                self.texts.push(text);
            }
        } else if let Some(blob) = &part.inline_data {
            self.pictures
                .push(format!("data:{};base64,{}", blob.mime_type, blob.data));
        }
        if part.function_call.is_none() {
            self.signature = part.thought_signature.or(self.signature);
        }
    }

    fn call(
        &mut self,
        context: &ResponseContext,
        call: &AnswerCall<'a>,
        signature: Option<&'a RawValue>,
    ) {
        let position = self.calls.len();
        self.calls.push(SaidCall {
            id: candidate::call_id(&context.request_id, call, self.index, position as u64),
            name: candidate::name(call),
            arguments: candidate::arguments(call),
            signature,
        });
    }

    fn is_nothing(&self) -> bool {
        self.texts.is_empty() && self.calls.is_empty() && self.pictures.is_empty()
    }

    /// Bytes of text, which become tokens.
    fn len(&self) -> usize {
        let texts = self.texts.iter().chain(&self.thoughts);
        texts.map(|raw| json::inner(raw).len()).sum::<usize>()
            + self.calls.iter().map(|c| c.arguments.len()).sum::<usize>()
    }

    fn places(&self) -> Places {
        let mut places = Places::default();
        self.texts.iter().for_each(|text| places.add(text));
        places
    }

    fn choice<'s>(&'s self, candidate: &Candidate<'s>) -> CompletionChoice<'s>
    where
        'a: 's,
    {
        let reason = candidate.finish_reason.as_deref().unwrap_or_default();
        let signed =
            |raw: Option<&'s RawValue>| raw.map(|raw| ExtraContent::signed(Text::Raw(raw)));
        let calls = self.calls.iter().map(|call| ToolCall {
            id: Text::Plain(&call.id),
            r#type: "function",
            function: FunctionCall {
                name: call.name,
                arguments: &call.arguments,
            },
            extra_content: signed(call.signature),
        });
        CompletionChoice {
            index: self.index,
            message: Message {
                role: "assistant",
                content: json::joined(&self.texts),
                reasoning_content: (!self.thoughts.is_empty())
                    .then(|| json::concat(self.thoughts.iter().copied()))
                    .flatten(),
                tool_calls: calls.collect(),
                extra_content: signed(self.signature),
                annotations: grounding::annotations(candidate.grounding_metadata, &self.places()),
                provider_specific_fields: ProviderFields::grounded(candidate.grounding_metadata),
                images: self.pictures.iter().map(|url| Picture::new(url)).collect(),
                ..Message::default()
            },
            logprobs: candidate
                .logprobs_result
                .as_ref()
                .and_then(candidate::logprobs),
            finish_reason: candidate::finish_reason(reason, !self.calls.is_empty()),
        }
    }
}
