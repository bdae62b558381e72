//! Whole answers of OpenAI-compatible providers: the alias as model, and the usage read.

use dragoman_proto::{Operation, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{error, schema::AnswerChoice};
use crate::{
    failure::Failure,
    hub::{self, read_seconds, read_usage},
    json::{self, Object},
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
    let Ok(mut answer) = Object::parse(body) else {
        return Err(Failure::garbage(
            provider,
            "the answer is not a JSON object",
        ));
    };
    if let Some(raw) = answer.some("error") {
        let error = error::object(raw);
        let status = error.status.unwrap_or(502);
        return Err(Failure::of_provider(provider, status, &error, None));
    }
    if context.operation == Operation::Rerank {
        name_results(&mut answer);
    }
    check_shape(context, &answer)?;
    if context.base64 {
        encode(&mut answer);
    }
    measure(context, &answer, meter);
    // Answers without a model (images, transcriptions) stay without one.
    if answer.get("model").is_some() {
        answer.set("model", &context.alias);
    }
    Ok(answer.to_bytes(body.len() + context.alias.len()))
}

/// Puts a ranking where Cohere's shape has it: Voyage writes a list, as of embeddings.
fn name_results(answer: &mut Object<'_>) {
    if answer.some("results").is_none()
        && let Some(data) = answer.some("data").map(RawValue::to_owned)
    {
        answer.remove("object");
        answer.remove("data");
        answer.set("results", &data);
    }
}

/// Encodes vectors that came as numbers although base64 was asked for.
fn encode(answer: &mut Object<'_>) {
    const FIELD: &str = "embedding";
    let data = answer.some("data").map(RawValue::to_owned);
    let Some(list) = data
        .as_deref()
        .and_then(|raw| serde_json::from_str::<Vec<Object<'_>>>(raw.get()).ok())
    else {
        return;
    };
    let mut encoded = Vec::with_capacity(list.len());
    for mut item in list {
        let text = item.some(FIELD).filter(|raw| raw.get().starts_with('['));
        let Some(text) = text.and_then(hub::base64) else {
            return;
        };
        item.set(FIELD, &text);
        encoded.push(item);
    }
    answer.set("data", &encoded);
}

/// An answer must have what its endpoint is for.
fn check_shape(context: &ResponseContext, answer: &Object<'_>) -> Result<(), Failure> {
    let field = match context.operation {
        Operation::ChatCompletions | Operation::Completions => "choices",
        Operation::Embeddings
        | Operation::ImagesGenerations
        | Operation::ImagesEdits
        | Operation::ImagesVariations => "data",
        Operation::Moderations | Operation::Rerank => "results",
        Operation::Responses => "output",
        Operation::AudioSpeech
        | Operation::AudioTranscriptions
        | Operation::AudioTranslations
        | Operation::Messages
        | Operation::CountTokens => return Ok(()),
    };
    match answer.some(field) {
        Some(raw) if raw.get().starts_with('[') && raw.get() != "[]" => Ok(()),
        // A response may have no output yet (`background`), a moderation no result.
        Some(raw) if raw.get() == "[]" && field != "choices" => Ok(()),
        _ => Err(Failure::garbage(
            &context.provider,
            &format!("the answer has no `{field}`"),
        )),
    }
}

fn measure(context: &ResponseContext, answer: &Object<'_>, meter: &mut Meter) {
    let hears = matches!(
        context.operation,
        Operation::AudioTranscriptions | Operation::AudioTranslations
    );
    // `verbose_json` tells how long the sound was; some write it as text.
    let duration = answer.some("duration").filter(|_| hears);
    match answer.some("usage").and_then(read_usage) {
        Some(usage) => meter.counted(usage),
        None => match duration.and_then(read_seconds) {
            Some(audio_ms) => meter.counted(Usage {
                audio_ms,
                ..Usage::default()
            }),
            None => meter.output(text_length(answer)),
        },
    }
    match context.operation {
        Operation::ImagesGenerations | Operation::ImagesEdits | Operation::ImagesVariations => {
            let images: Vec<&RawValue> = answer
                .some("data")
                .and_then(|raw| serde_json::from_str(raw.get()).ok())
                .unwrap_or_default();
            meter.units(|usage| usage.images = images.len() as u64);
        }
        _ => {}
    }
}

/// Bytes of text that the model wrote.
fn text_length(answer: &Object<'_>) -> usize {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow, default)]
        content: Option<&'a RawValue>,
        #[serde(borrow, default)]
        reasoning_content: Option<&'a RawValue>,
        #[serde(borrow, default)]
        tool_calls: Option<&'a RawValue>,
    }
    let choices: Vec<AnswerChoice<'_>> = answer
        .some("choices")
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    let length = |raw: Option<&RawValue>| raw.map_or(0, |raw| json::inner(raw).len());
    let transcript = length(answer.some("text"));
    let chosen: usize = choices
        .iter()
        .map(|choice| {
            let message = choice
                .message
                .and_then(|raw| serde_json::from_str::<Message<'_>>(raw.get()).ok());
            length(choice.text)
                + message.map_or(0, |message| {
                    length(message.content)
                        + length(message.reasoning_content)
                        + message.tool_calls.map_or(0, |raw| raw.get().len())
                })
        })
        .sum();
    chosen + transcript
}
