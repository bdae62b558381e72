//! The endpoints that take `multipart/form-data`.

use serde_json::json;

use super::{
    super::{
        check::{Checked, Invalid, Problem},
        connection::Request,
        reply::{Answer, Event},
        serve::Call,
        turn::{Usage, count},
    },
    error_event,
    media::Drawn,
};

/// A part of a form.
struct Part<'a> {
    name: String,
    file: bool,
    content: &'a [u8],
}

pub(super) fn is_expected(path: &str) -> bool {
    [
        "/audio/transcriptions",
        "/audio/translations",
        "/images/edits",
        "/images/variations",
    ]
    .iter()
    .any(|end| path.ends_with(end))
}

/// The model that a form names.
pub(crate) fn model(request: &Request) -> Option<String> {
    let parts = parts(request)?;
    text(&parts, "model").map(str::to_owned)
}

pub(super) fn transcription(call: &Call<'_>) -> Checked<Answer> {
    let (parts, model) = form(call, "file")?;
    let known = [
        "file",
        "model",
        "language",
        "prompt",
        "response_format",
        "temperature",
        "stream",
        "timestamp_granularities[]",
        "include[]",
        "chunking_strategy",
    ];
    refuse_unknown(&parts, &known)?;
    let heard = parts
        .iter()
        .find(|part| part.file)
        .map_or(0, |part| part.content.len());
    let said = format!("Heard {heard} bytes.");
    let stream = text(&parts, "stream") == Some("true");
    let usage = Usage {
        input: u64::try_from(heard / 10).unwrap_or_default(),
        output: count(&said),
        ..Usage::default()
    };
    let path = &call.request.path;
    call.state.charge(call.number, path, &model, stream, usage);
    // Whisper is sold by the second, of which a thousand bytes are one here.
    let seconds = heard / 1000;
    let whisper = model.starts_with("whisper");
    let counted = if whisper {
        json!({"type": "duration", "seconds": seconds})
    } else {
        json!({
            "type": "tokens", "input_tokens": usage.input, "output_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "input_token_details": {"audio_tokens": usage.input, "text_tokens": 0},
        })
    };
    if stream {
        let words = said.split_inclusive(' ');
        let delta = |word| json!({"type": "transcript.text.delta", "delta": word});
        let mut events: Vec<Event> = words.map(|word| Event::data(delta(word))).collect();
        let done = json!({"type": "transcript.text.done", "text": said, "usage": counted});
        events.push(Event::data(done).last());
        return Ok(Answer::events(events, error_event()));
    }
    Ok(match text(&parts, "response_format") {
        Some("text") => Answer::whole(200, "text/plain; charset=utf-8", said + "\n"),
        Some("verbose_json") => Answer::json(
            200,
            &json!({"task": "transcribe", "language": "english", "duration": seconds, "text": said}),
        ),
        _ if call.behaviour.form.no_usage => Answer::json(200, &json!({"text": said})),
        _ => Answer::json(200, &json!({"text": said, "usage": counted})),
    })
}

pub(super) fn image(call: &Call<'_>) -> Checked<Answer> {
    let (parts, model) = form(call, "image")?;
    let images = text(&parts, "n").map_or(Ok(1), str::parse);
    let drawn = Drawn {
        model: &model,
        prompt: text(&parts, "prompt").unwrap_or_default(),
        images: images.map_err(|_| Invalid::value("n", "not an integer"))?,
        base64: text(&parts, "response_format") == Some("b64_json"),
        stream: text(&parts, "stream") == Some("true"),
        name: "image_edit",
    };
    Ok(drawn.answer(call))
}

fn form<'a>(call: &'a Call<'_>, file: &'static str) -> Checked<(Vec<Part<'a>>, String)> {
    let missing = |name: &str| Invalid {
        path: name.to_owned(),
        problem: Problem::Missing,
    };
    let parts = parts(call.request)
        .ok_or_else(|| Invalid::value("body", "could not parse multipart form"))?;
    if !parts
        .iter()
        .any(|part| part.file && part.name.strip_suffix("[]").unwrap_or(&part.name) == file)
    {
        return Err(missing(file));
    }
    let model = text(&parts, "model").ok_or_else(|| missing("model"))?;
    let model = model.to_owned();
    Ok((parts, model))
}

fn refuse_unknown(parts: &[Part<'_>], known: &[&str]) -> Checked<()> {
    match parts
        .iter()
        .find(|part| !known.contains(&part.name.as_str()))
    {
        None => Ok(()),
        Some(part) => Err(Invalid {
            path: part.name.clone(),
            problem: Problem::Unknown,
        }),
    }
}

fn text<'a>(parts: &[Part<'a>], name: &str) -> Option<&'a str> {
    let part = parts.iter().find(|part| part.name == name && !part.file)?;
    std::str::from_utf8(part.content).ok()
}

fn parts(request: &Request) -> Option<Vec<Part<'_>>> {
    let content_type = request.header("content-type")?;
    let boundary = content_type.split_once("boundary=")?.1.trim_matches('"');
    let mark = format!("--{boundary}");
    let mut rest = request.body.as_ref();
    let mut parts = Vec::new();
    rest = rest.strip_prefix(mark.as_bytes())?;
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        let end = memchr::memmem::find(after, format!("\r\n{mark}").as_bytes())?;
        let part = after.get(..end)?;
        let head = memchr::memmem::find(part, b"\r\n\r\n")?;
        let headers = String::from_utf8_lossy(part.get(..head)?).into_owned();
        parts.push(Part {
            name: quoted(&headers, " name=\"")?,
            file: quoted(&headers, " filename=\"").is_some(),
            content: part.get(head + 4..)?,
        });
        rest = after.get(end + 2 + mark.len()..)?;
    }
    rest.starts_with(b"--").then_some(parts)
}

fn quoted(headers: &str, key: &str) -> Option<String> {
    let (_, rest) = headers.split_once(key)?;
    Some(rest.split('"').next()?.to_owned())
}
