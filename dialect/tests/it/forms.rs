//! Forms that pass while they still come: what is certain when, what may follow the file, and that the
//! provider gets the same as when the form is held.

use dragoman_dialect::{Passage, RequestHead, Translated, edge::Form};
use dragoman_proto::{Admission, ApiError, Facts, Operation, UpstreamConfig};
use serde_json::json;

use crate::support::{self, admission, deployment};

const KIND: &str = "multipart/form-data; boundary=xYz";
const OPERATION: Operation = Operation::AudioTranscriptions;

fn field(name: &str, value: &str) -> Vec<u8> {
    format!("--xYz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        .into_bytes()
}

fn file(name: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--xYz\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.wav\"\r\n\
         Content-Type: audio/wav\r\n\r\n"
    );
    [head.as_bytes(), bytes, b"\r\n"].concat()
}

fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [&parts.concat(), b"--xYz--\r\n".as_slice()].concat()
}

/// A minute of sound of 16 kHz, as a file that tells so.
fn minute() -> Vec<u8> {
    let mut wave = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wave.extend(16_000_u32.to_le_bytes());
    wave.extend(32_000_u32.to_le_bytes());
    wave.extend([2, 0, 16, 0]);
    wave.resize(60 * 32_000, 7);
    wave
}

/// What the edge says of a form in two pieces: the facts, and whether it passes.
fn told(form: &[u8], length: Option<u64>, split: usize) -> Result<(Facts, bool), ApiError> {
    let mut reader = Form::new(OPERATION, "/p", KIND, length)?;
    let (first, last) = form.split_at(split);
    reader.feed(first)?;
    let early = reader.early();
    reader.feed(last)?;
    let late = reader.early();
    let finally = reader.finish()?;
    let facts: Vec<Facts> = [early, late, finally].into_iter().flatten().collect();
    assert_eq!(facts.len(), 1, "facts are told once");
    Ok((facts[0].clone(), reader.passes()))
}

/// The same where the client says how long the form is.
fn announced(form: &[u8]) -> Result<(Facts, bool), ApiError> {
    told(form, Some(form.len() as u64), form.len())
}

#[test]
fn a_form_passes_when_its_fields_come_first_and_its_length_is_known() {
    let model = field("model", "whisper");
    let long = file("file", &minute());
    let ordered = form(&[model.clone(), long.clone()]);
    assert!(announced(&ordered).unwrap().1);
    assert!(!told(&ordered, None, 0).unwrap().1, "no length");
    for held in [
        form(&[long.clone(), model.clone()]),
        form(&[model.clone(), file("file", b"short")]),
        form(&[model.clone(), file("other", b"x"), long]),
    ] {
        assert!(!announced(&held).unwrap().1);
    }
    let image = form(&[model, file("image", &minute())]);
    let mut edits =
        Form::new(Operation::ImagesEdits, "/p", KIND, Some(image.len() as u64)).unwrap();
    edits.feed(&image).unwrap();
    assert_eq!(edits.early(), None);
}

#[test]
fn the_facts_are_told_before_the_file_has_passed() {
    let form = form(&[
        field("model", "whisper"),
        field("stream", "true"),
        field("user", "ada"),
        file("file", &minute()),
    ]);
    let mut reader = Form::new(OPERATION, "/p", KIND, Some(form.len() as u64)).unwrap();
    reader.feed(&form[..5000]).unwrap();
    let facts = reader.early().expect("facts");
    assert_eq!(facts.model.as_deref(), Some("whisper"));
    assert_eq!(facts.user.as_deref(), Some("ada"));
    assert!(facts.stream && facts.arriving);
    assert_eq!(
        facts.extent.audio_ms, 60_001,
        "by the header, and the line's end"
    );
}

#[test]
fn what_is_told_does_not_depend_on_where_a_form_is_split() {
    let sound = &minute()[..70_000];
    let late = [field("language", "en"), field("prompt", "words")].concat();
    let bad = field("model", "dear");
    for form in [
        form(&[field("model", "m"), file("file", sound)]),
        form(&[field("model", "m"), file("file", sound), late]),
        form(&[field("model", "m"), file("file", sound), bad]),
        form(&[file("file", sound), field("model", "m")]),
    ] {
        let whole = announced(&form);
        let ends = (0..600).chain(4_000..4_500);
        let ends = ends.chain(form.len() - 600..form.len());
        for split in ends {
            let length = Some(form.len() as u64);
            assert_eq!(told(&form, length, split), whole, "split at {split}");
        }
    }
}

#[test]
fn what_would_change_the_facts_may_not_follow_a_file_that_passes() {
    let begins = [field("model", "cheap"), file("file", &minute())].concat();
    for (late, param) in [
        (field("model", "cheap"), "model"),
        (field("model[]", "dear"), "model[]"),
        (field("stream", "true"), "stream"),
        (field("user", "x"), "user"),
        (field("n", "1"), "n"),
        (field("api_base", "http://evil.test"), "api_base"),
        (field("metadata[a]", "b"), "metadata[a]"),
        (file("file", b"more"), "file"),
        (file("other", b"more"), "other"),
        (field("file", "more"), "file"),
        (field("prompt", &"x".repeat(1025)), "prompt"),
    ] {
        let error = announced(&form(&[begins.clone(), late])).unwrap_err();
        let plain = param.split('[').next();
        assert_eq!((error.status(), error.param.as_deref()), (400, plain));
    }
    let harmless = [
        field("language", "en"),
        field("response_format", "srt"),
        field("temperature", "0.5"),
        field("timestamp_granularities[]", "word"),
        field("prompt", &"x".repeat(1024)),
    ];
    assert!(announced(&form(&[begins, harmless.concat()])).unwrap().1);
}

#[test]
fn a_prompt_that_may_follow_is_in_the_bound() {
    let prompt = field("prompt", &"x".repeat(100));
    let (model, sound) = (field("model", "m"), file("file", &minute()));
    let bound = |parts: &[Vec<u8>]| announced(&form(parts)).unwrap().0.prompt_bound;
    let none = bound(&[model.clone(), sound.clone()]);
    let before = bound(&[model.clone(), prompt.clone(), sound.clone()]);
    assert_eq!((none, before), (64 + 1024, 64 + 100));
    let twice = form(&[model, prompt.clone(), sound, prompt]);
    assert_eq!(
        announced(&twice).unwrap_err().param.as_deref(),
        Some("prompt")
    );
}

#[test]
fn a_form_that_can_be_read_in_two_ways_is_refused() {
    let hidden = b"\x00--xYz\r\nContent-Disposition: form-data; name=\"x\"\r\n--xYz\r\n\
                   Content-Disposition: form-data; name=\"model\"\r\n\r\ndear";
    let part = |disposition: &str| [disposition.as_bytes(), b"\r\n\r\nv\r\n"].concat();
    let model = field("model", "m");
    for bad in [
        file("file", hidden),
        file("file", b"x\n--xYz\r\ny"),
        part("--xYz\r\nContent-Disposition: form-data; name=\"x\"; name=\"model\""),
        part("--xYz\r\nContent-Disposition: form-data; name=\"x\"; name*=utf-8''model"),
        part("--xYz\r\nContent-Disposition: form-data; name=\"x\"; name*0=mo; name*1=del"),
        part(
            "--xYz\r\nContent-Disposition: form-data; name=\"x\"\r\n\
             content-disposition : form-data; name=\"model\"",
        ),
        part(
            "--xYz\r\nContent-Disposition: form-data; name=\"x\"\nContent-Disposition: form-data; \
             name=\"model\"",
        ),
        part("--xYz\r\nContent-Disposition: form-data;\r\n name=\"model\""),
        part("--xYz junk\r\nContent-Disposition: form-data; name=\"x\""),
        part("--xYz\r\nContent-Disposition: form-data; name=\"mo\\del\""),
        file("model", b"dear"),
        [b"--xYz--\r\n".as_slice(), &field("model", "dear")].concat(),
    ] {
        let body = form(&[model.clone(), file("file", b"x"), bad]);
        let error = announced(&body).unwrap_err();
        assert_eq!(error.status(), 400, "{}", String::from_utf8_lossy(&body));
    }
    for kind in [
        "multipart/form-data; boundary=xYz; boundary=other",
        "multipart/form-data; boundary*=utf-8''xYz",
        "multipart/form-data; boundary=\"x\"Yz\"",
    ] {
        assert_eq!(
            Form::new(OPERATION, "/p", kind, None).unwrap_err().status(),
            415
        );
    }
}

#[test]
fn a_file_may_be_called_anything() {
    for name in ["a; name=model.wav", "a\\\"; name=\\\"model", "C:\\x.wav"] {
        let file = format!(
            "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\nx\r\n"
        );
        let facts = announced(&form(&[field("model", "m"), file.into_bytes()])).unwrap();
        assert_eq!(facts.0.model.as_deref(), Some("m"));
    }
}

/// What a provider gets of a form in pieces of this length.
fn passed(
    config: &UpstreamConfig,
    form: &[u8],
    piece: usize,
) -> Result<Option<(Translated, Vec<u8>)>, ApiError> {
    let mut passage = Passage::new(KIND)?;
    let mut at_hand = Vec::new();
    let mut sent: Option<Translated> = None;
    let mut out = Vec::new();
    for piece in form.chunks(piece) {
        passage.feed(piece)?;
        at_hand.extend_from_slice(piece);
        if sent.is_none()
            && let Some(beginning) = passage.beginning()
        {
            let head = RequestHead {
                content_type: Some(KIND),
                ..RequestHead::default()
            };
            let Some(begun) = passage.translate(config, &admission(OPERATION, false), &head)?
            else {
                return Ok(None);
            };
            out.extend_from_slice(begun.body.as_ref().expect("a beginning"));
            at_hand.drain(..beginning);
            sent = Some(begun);
        }
        if sent.is_some() {
            out.append(&mut at_hand);
        }
    }
    passage.finish()?;
    Ok(sent.map(|sent| (sent, out)))
}

fn held(config: &UpstreamConfig, form: &[u8]) -> Result<Translated, ApiError> {
    let admission: Admission = admission(OPERATION, false);
    support::translate(config, &admission, Some(KIND), form)
}

#[test]
fn a_provider_gets_the_same_of_a_form_that_passes() {
    let form = form(&[
        field("model", "alias"),
        field("api_base", "http://evil.test"),
        field("drop_params", "true"),
        field("seed", "1"),
        file("file", &minute()[..9_000]),
        field("language", "en"),
    ]);
    for name in ["openai", "groq", "azure"] {
        let config = deployment(name);
        let whole = held(&config, &form).unwrap();
        for piece in [1, 2, 3, 7, 64, 1000, form.len()] {
            let (begun, out) = passed(&config, &form, piece).unwrap().expect("it passes");
            assert_eq!(
                Some(&out),
                whole.body.as_ref(),
                "{name} in pieces of {piece}"
            );
            assert_eq!((&begun.path, &begun.headers), (&whole.path, &whole.headers));
            assert_eq!(begun.dropped, whole.dropped);
        }
    }
}

#[test]
fn a_form_waits_where_a_default_may_still_be_overridden() {
    let form = form(&[
        field("model", "alias"),
        file("file", b"x"),
        field("language", "en"),
    ]);
    let mut config = deployment("openai");
    config.defaults = serde_json::from_value(json!({"language": "de"})).unwrap();
    assert_eq!(passed(&config, &form, 10), Ok(None));
    let gemini = deployment("gemini");
    assert_eq!(passed(&gemini, &form, 10), Ok(None));
}

#[test]
fn what_a_deployment_is_not_to_see_may_not_follow_the_file() {
    let begins = [field("model", "alias"), file("file", b"x")].concat();
    let refused = |config, parts: &[Vec<u8>]| {
        let error = passed(config, &form(parts), 5).unwrap_err();
        error.param.unwrap_or_default()
    };
    let openai = deployment("openai");
    for (name, late) in [
        ("model", field("model", "dear")),
        ("tags", field("tags[]", "a")),
        ("file", file("file", b"y")),
    ] {
        assert_eq!(refused(&openai, &[begins.clone(), late]), name);
    }
    let dropped = [
        field("additional_drop_params[]", "language"),
        begins.clone(),
    ]
    .concat();
    assert_eq!(
        refused(&openai, &[dropped, field("language", "en")]),
        "language"
    );
    assert_eq!(
        refused(&deployment("groq"), &[begins, field("seed", "1")]),
        "seed"
    );
}

#[test]
fn a_form_that_is_cut_has_no_end() {
    let form = form(&[field("model", "alias"), file("file", b"x")]);
    let cut = &form[..form.len() - 6];
    let config = deployment("openai");
    assert_eq!(passed(&config, cut, 9).unwrap_err().status(), 400);
    assert_eq!(announced(cut).unwrap_err().status(), 400);
}

#[test]
fn the_sound_that_has_passed_is_counted() {
    let form = form(&[
        field("model", "alias"),
        file("file", &minute()),
        field("a", "b"),
    ]);
    let mut passage = Passage::new(KIND).unwrap();
    for piece in form.chunks(1 << 16) {
        passage.feed(piece).unwrap();
    }
    assert_eq!(passage.heard_ms(), 60_000);
}
