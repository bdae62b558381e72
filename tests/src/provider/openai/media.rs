//! Images and speech, whole and in events.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    super::{
        check::Checked,
        reply::{Answer, Event},
        serve::Call,
        turn::{Usage, count},
    },
    CREATED, body, error_event,
};

/// Tokens of an image that is made.
const PER_IMAGE_MADE: u64 = 100;
/// The first bytes of an MP3 of 128 kbit/s, of which 16,000 are a second: an empty tag, and a frame.
const MP3: &[u8] = b"ID3\x04\0\0\0\0\0\0\xFF\xFB\x90\x00";
/// Bytes of speech for each character.
const PER_CHARACTER: usize = 1_000;

/// Whether a model counts tokens for images, and sends nothing but base64.
fn counts_tokens(model: &str) -> bool {
    model.starts_with("gpt-image")
}

/// What images are made of, whichever endpoint made them.
pub(super) struct Drawn<'a> {
    pub(super) model: &'a str,
    pub(super) prompt: &'a str,
    pub(super) images: u64,
    pub(super) base64: bool,
    pub(super) stream: bool,
    /// What the events are called.
    pub(super) name: &'static str,
}

impl Drawn<'_> {
    pub(super) fn answer(&self, call: &Call<'_>) -> Answer {
        let mut used = Usage::default();
        if counts_tokens(self.model) {
            used.input = count(self.prompt);
            used.output = PER_IMAGE_MADE * self.images;
        }
        let path = &call.request.path;
        call.state
            .charge(call.number, path, self.model, self.stream, used);
        let usage = json!({
            "input_tokens": used.input, "output_tokens": used.output,
            "total_tokens": used.input + used.output,
            "input_tokens_details": {"text_tokens": used.input, "image_tokens": 0},
        });
        let bytes = BASE64_STANDARD.encode(b"\x89PNG scripted");
        if self.stream {
            let event = |kind: &str| {
                let kind = format!("{}.{kind}", self.name);
                json!({"type": kind, "b64_json": bytes, "size": "1024x1024", "quality": "high"})
            };
            let mut whole = event("completed");
            whole["usage"] = usage;
            let events = vec![
                Event::data(event("partial_image")),
                Event::data(whole).last(),
            ];
            return Answer::events(events, error_event());
        }
        let image = if counts_tokens(self.model) || self.base64 {
            json!({"b64_json": bytes})
        } else {
            json!({"url": "https://images.example/1.png", "revised_prompt": self.prompt})
        };
        let data: Vec<&Value> = (0..self.images).map(|_| &image).collect();
        let mut reply = json!({"created": CREATED, "data": data});
        if counts_tokens(self.model) {
            reply["usage"] = usage;
        }
        Answer::json(200, &reply)
    }
}

pub(super) fn images(call: &Call<'_>) -> Checked<Answer> {
    let mut body = body(call)?;
    let drawn = Drawn {
        model: body.text("model")?.unwrap_or("dall-e-2"),
        prompt: body.need_text("prompt")?,
        images: body.integer("n", 1..=10)?.unwrap_or(1).unsigned_abs(),
        base64: body.one_of("response_format", &["url", "b64_json"])? == Some("b64_json"),
        stream: body.flag("stream")?.unwrap_or(false),
        name: "image_generation",
    };
    body.skip(&[
        "background",
        "moderation",
        "output_compression",
        "output_format",
        "partial_images",
        "quality",
        "size",
        "style",
        "user",
    ]);
    body.finish()?;
    Ok(drawn.answer(call))
}

pub(super) fn speech(call: &Call<'_>) -> Checked<Answer> {
    let mut body = body(call)?;
    let model = body.need_text("model")?;
    let input = body.need_text("input")?;
    body.need_text("voice")?;
    body.text("instructions")?;
    body.one_of(
        "response_format",
        &["mp3", "opus", "aac", "flac", "wav", "pcm"],
    )?;
    body.number("speed", 0.25..=4.0)?;
    let events = body.one_of("stream_format", &["sse", "audio"])? == Some("sse");
    body.finish()?;
    let characters = input.chars().count();
    let used = Usage {
        input: count(input),
        output: characters as u64,
        ..Usage::default()
    };
    let path = &call.request.path;
    call.state.charge(call.number, path, model, events, used);
    let mut bytes = MP3.to_vec();
    bytes.extend(
        (0..=255u8)
            .cycle()
            .take(PER_CHARACTER * characters - MP3.len()),
    );
    if !events {
        return Ok(Answer::whole(200, "audio/mpeg", bytes));
    }
    let delta = json!({"type": "speech.audio.delta", "audio": BASE64_STANDARD.encode(&bytes)});
    let done = json!({"type": "speech.audio.done", "usage": {
        "input_tokens": used.input, "output_tokens": used.output,
        "total_tokens": used.input + used.output,
    }});
    let events = vec![Event::data(delta), Event::data(done).last()];
    Ok(Answer::events(events, error_event()))
}
