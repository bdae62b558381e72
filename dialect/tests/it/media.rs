//! Images, sound and forms: what is sent, what passes, and how it is counted.

use dragoman_dialect::Translated;
use dragoman_proto::{ApiError, Operation, UpstreamConfig};
use serde_json::{Value, json};

use crate::{
    endpoints::{sent, translate},
    support::{self, JSON, Outcome, SSE, admission, answer, deployment, fixtures, head, respond},
};

const FORM: &str = "multipart/form-data; boundary=b";

/// A form of fields (name and text) and a file (name and bytes).
fn form(fields: &[(&str, &str)], file: (&str, &[u8])) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, text) in fields {
        let part =
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
        body.extend(part.bytes());
    }
    let head = format!(
        "--b\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"f\"\r\n\
         Content-Type: image/webp\r\n\r\n",
        file.0
    );
    body.extend(head.bytes());
    body.extend(file.1);
    body.extend(b"\r\n--b--\r\n");
    body
}

fn send(
    deployment: &UpstreamConfig,
    operation: Operation,
    stream: bool,
    form: &[u8],
) -> Result<Translated, ApiError> {
    support::translate(deployment, &admission(operation, stream), Some(FORM), form)
}

/// One second of silence, as a file that tells so.
fn second() -> Vec<u8> {
    let mut wave = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wave.extend(8_000_u32.to_le_bytes());
    wave.extend(8_000_u32.to_le_bytes());
    wave.resize(8_000, 0);
    wave
}

fn heard(stream: bool) -> Translated {
    let form = form(&[("model", "alias")], ("file", &second()));
    send(
        &deployment("openai"),
        Operation::AudioTranscriptions,
        stream,
        &form,
    )
    .unwrap()
}

#[track_caller]
fn assert_reports(outcome: &Outcome, what: &[&str]) {
    for what in what {
        assert!(outcome.report.contains(what), "{what}: {}", outcome.report);
    }
}

#[test]
fn a_form_gets_defaults_and_keeps_the_gateway_s_fields_out() {
    let mut deployment = deployment("groq");
    deployment.defaults = serde_json::from_value(json!({
        "language": "de", "temperature": 0.5, "timestamp_granularities": ["word", "segment"],
    }))
    .unwrap();
    let fields = [
        ("language", "en"),
        ("api_base", "http://evil.test"),
        ("metadata[team]", "x"),
        ("tags[]", "y"),
    ];
    let form = form(&fields, ("file", b"api_base"));
    let translated = send(&deployment, Operation::AudioTranscriptions, false, &form).unwrap();
    let sent = String::from_utf8(translated.body.unwrap()).unwrap();
    let field =
        |name: &str, text: &str| sent.contains(&format!("name=\"{name}\"\r\n\r\n{text}\r\n--b"));
    assert!(field("model", "llama-3.1-70b"), "{sent}");
    assert!(
        field("language", "en") && !sent.contains("\r\nde\r\n"),
        "{sent}"
    );
    assert!(field("temperature", "0.5"), "{sent}");
    assert!(field("timestamp_granularities[]", "word"), "{sent}");
    assert!(field("timestamp_granularities[]", "segment"), "{sent}");
    for gone in ["evil.test", "metadata", "tags"] {
        assert!(!sent.contains(gone), "{gone} in {sent}");
    }
    assert!(sent.contains("\r\n\r\napi_base\r\n--b--"), "{sent}");
}

#[test]
fn a_form_s_field_that_a_provider_rejects_is_refused_or_dropped() {
    let refused = form(&[("seed", "1")], ("file", b"x"));
    let error = send(
        &deployment("groq"),
        Operation::AudioTranscriptions,
        false,
        &refused,
    );
    let error = error.unwrap_err();
    assert_eq!(error.param.as_deref(), Some("seed"));
    let dropped = form(&[("seed", "1"), ("drop_params", "true")], ("file", b"x"));
    let sent = send(
        &deployment("groq"),
        Operation::AudioTranscriptions,
        false,
        &dropped,
    )
    .unwrap();
    assert_eq!(sent.dropped, ["seed"]);
    assert!(
        !String::from_utf8(sent.body.unwrap())
            .unwrap()
            .contains("seed")
    );
}

#[test]
fn sound_is_counted_as_the_provider_does() {
    for (reply, what) in [
        (
            r#"{"text":"hi","usage":{"type":"duration","seconds":3}}"#,
            &["audio_ms: 3000", "Provider"][..],
        ),
        (
            r#"{"task":"transcribe","duration":2.5,"text":"hi"}"#,
            &["audio_ms: 2500", "Provider"],
        ),
        (
            r#"{"task":"transcribe","duration":"2.5","text":"hi"}"#,
            &["audio_ms: 2500", "Provider"],
        ),
        (
            r#"{"text":"hi","usage":{"type":"tokens","input_tokens":14,"output_tokens":4,
                "input_token_details":{"audio_tokens":14}}}"#,
            &[
                "input_tokens: 14,",
                "audio_input_tokens: 14,",
                "audio_ms: 0,",
                "Provider",
            ],
        ),
        // As long as the file says.
        (
            r#"{"text":"eight by"}"#,
            &["audio_ms: 1000", "output_tokens: 2,", "Estimated"],
        ),
    ] {
        let outcome = answer(&heard(false).response, JSON, reply.as_bytes());
        assert_reports(&outcome, what);
    }
    let text = respond(
        &heard(false).response,
        &head(200, "text/vtt"),
        [&b"WEBVTT"[..]],
    );
    assert_reports(&text, &["audio_ms: 1000", "Estimated"]);
}

#[test]
fn what_a_provider_does_not_hear_or_say_costs_nothing() {
    let speech = json!({"input": "grüße", "voice": "v"});
    let speech = translate("openai", Operation::AudioSpeech, &speech).unwrap();
    for context in [speech.response, heard(false).response] {
        let outcome = respond(&context, &head(503, JSON), [&b"{}"[..]]);
        assert_reports(&outcome, &["audio_ms: 0", "characters: 0", "Unspecified"]);
    }
}

#[test]
fn a_streamed_transcription_is_counted_and_must_end() {
    let stream = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"hi\"}\n\n\
        data: {\"type\":\"transcript.text.done\",\"text\":\"hi\",\"usage\":{\"type\":\"tokens\",\
        \"input_tokens\":9,\"output_tokens\":1}}\n\n";
    let outcome = respond(&heard(true).response, &head(200, SSE), [stream.as_bytes()]);
    assert_eq!(outcome.body, stream);
    assert_reports(&outcome, &["Complete", "input_tokens: 9,", "Provider"]);
    let cut = stream.split_inclusive("\n\n").next().unwrap();
    let outcome = respond(&heard(true).response, &head(200, SSE), [cut.as_bytes()]);
    assert!(outcome.body.ends_with("}\n\n") && outcome.body.contains("\"error\""));
    assert_reports(&outcome, &["Broken"]);
}

#[test]
fn speech_is_counted_by_its_length_where_the_provider_counts_nothing() {
    let body = json!({"input": "x".repeat(30), "voice": "v"});
    let translated = translate("openai", Operation::AudioSpeech, &body).unwrap();
    // MPEG 1, layer 3, 128 kbit/s: 16,000 bytes are a second.
    let mut sound = vec![0xFF, 0xFB, 0x90];
    sound.resize(16_000, 0);
    let pieces = sound.chunks(700);
    let outcome = respond(&translated.response, &head(200, "audio/mpeg"), pieces);
    assert_reports(
        &outcome,
        &[
            "audio_ms: 1000",
            "audio_output_tokens: 21,",
            "characters: 30",
        ],
    );
    // Of AAC the text must tell.
    let outcome = respond(&translated.response, &head(200, "audio/aac"), [&[7; 9][..]]);
    assert_reports(&outcome, &["audio_ms: 2000", "Estimated"]);
}

#[test]
fn speech_in_events_is_counted_by_the_provider() {
    let body = json!({"input": "x", "voice": "v", "stream_format": "sse"});
    let translated = translate("openai", Operation::AudioSpeech, &body).unwrap();
    let stream = "data: {\"type\":\"speech.audio.delta\",\"audio\":\"AAAA\"}\n\n\
        data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":3,\"output_tokens\":40,\
        \"total_tokens\":43}}\n\n";
    let outcome = respond(&translated.response, &head(200, SSE), [stream.as_bytes()]);
    assert_eq!((outcome.body.as_str(), outcome.head.status), (stream, 200));
    assert_reports(
        &outcome,
        &["audio_output_tokens: 40,", "input_tokens: 3,", "Provider"],
    );
}

#[test]
fn streamed_images_are_counted() {
    let body = json!({"prompt": "a cat", "stream": true, "n": 2});
    let translated = translate("openai", Operation::ImagesGenerations, &body).unwrap();
    let image = "data: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"AA\"}\n\n\
        event: image_generation.completed\n\
        data: {\"type\":\"image_generation.completed\",\"b64_json\":\"AAAA\",\
        \"usage\":{\"input_tokens\":5,\"output_tokens\":7}}\n\n";
    let outcome = respond(&translated.response, &head(200, SSE), [image.as_bytes(); 2]);
    assert_reports(&outcome, &["images: 2,", "output_tokens: 7,", "Complete"]);
    assert_eq!(outcome.body, image.repeat(2));
}

#[test]
fn a_gemini_model_edits_pictures() {
    let fields = [
        ("model", "alias"),
        ("prompt", "make it blue"),
        ("size", "1024x1024"),
        ("n", "1"),
    ];
    let form = form(&fields, ("image[]", b"\x01\x02\x03"));
    let translated = send(&deployment("gemini"), Operation::ImagesEdits, false, &form).unwrap();
    assert_eq!(
        translated.path,
        "/v1beta/models/gemini-2.5-flash:generateContent"
    );
    assert_eq!(translated.headers[0], ("content-type", JSON.to_owned()));
    assert_eq!(
        sent(&translated),
        json!({
            "contents": [{"role": "user", "parts": [
                {"inlineData": {"mimeType": "image/webp", "data": "AQID"}},
                {"text": "make it blue"},
            ]}],
            "generationConfig": {
                "responseModalities": ["TEXT", "IMAGE"], "imageConfig": {"aspectRatio": "1:1"},
            },
        })
    );
    let (_, picture) = fixtures("answers/gemini")
        .into_iter()
        .find(|(name, _)| name == "picture")
        .unwrap();
    let outcome = answer(&translated.response, JSON, &picture);
    let told: Value = serde_json::from_str(&outcome.body).unwrap();
    assert!(told["data"][0]["b64_json"].is_string(), "{told}");
    assert_reports(&outcome, &["images: 1,"]);
}

#[test]
fn imagen_s_model_for_it_edits_a_whole_picture() {
    let fields = [("prompt", "make it blue"), ("n", "2"), ("size", "auto")];
    let form = form(&fields, ("image", b"\x01\x02\x03"));
    let imagen = deployment("vertex-imagen");
    let translated = send(&imagen, Operation::ImagesEdits, false, &form).unwrap();
    assert!(
        translated
            .path
            .ends_with("/publishers/google/models/imagen-3.0-capability-001:predict"),
        "{}",
        translated.path
    );
    assert_eq!(
        sent(&translated),
        json!({
            "instances": [{"prompt": "make it blue", "referenceImages": [{
                "referenceType": "REFERENCE_TYPE_RAW", "referenceId": 1,
                "referenceImage": {"bytesBase64Encoded": "AQID"},
            }]}],
            "parameters": {"editMode": "EDIT_MODE_DEFAULT", "sampleCount": 2},
        })
    );
    let reply = br#"{"predictions":[{"bytesBase64Encoded":"AA=="},{"bytesBase64Encoded":"AQ=="}]}"#;
    assert_reports(&answer(&translated.response, JSON, reply), &["images: 2,"]);
}

#[test]
fn imagen_edits_where_a_mask_says() {
    let fields = [("prompt", "a hat"), ("mask", "Imagen's own kind")];
    let form = form(&fields, ("image[]", b"\x01"));
    let imagen = deployment("vertex-imagen");
    let translated = send(&imagen, Operation::ImagesEdits, false, &form).unwrap();
    let body = sent(&translated);
    assert_eq!(
        body["instances"][0]["referenceImages"][1],
        json!({
            "referenceType": "REFERENCE_TYPE_MASK", "referenceId": 2,
            "referenceImage": {"bytesBase64Encoded": "SW1hZ2VuJ3Mgb3duIGtpbmQ="},
            "maskImageConfig": {"maskMode": "MASK_MODE_USER_PROVIDED"},
        })
    );
    assert_eq!(
        body["parameters"]["editMode"],
        "EDIT_MODE_INPAINT_INSERTION"
    );
}

#[test]
fn what_an_edit_by_imagen_cannot_express_is_refused() {
    let imagen = deployment("vertex-imagen");
    for (name, value) in [("size", "1024x1024"), ("n", "two"), ("stream", "true")] {
        let refused = form(&[("prompt", "x"), (name, value)], ("image", b"x"));
        let error = send(&imagen, Operation::ImagesEdits, false, &refused).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(name), "{}", error.message);
    }
    let without = form(&[("prompt", "x")], ("mask", b"x"));
    let error = send(&imagen, Operation::ImagesEdits, false, &without).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("image"), "{}", error.message);
}

#[test]
fn an_imagen_that_only_draws_names_the_one_that_edits() {
    let form = form(&[("prompt", "x")], ("image", b"x"));
    for (dialect, model) in [
        ("vertex-imagen", "imagen-4.0-generate-001"),
        ("gemini", "imagen-3.0-capability-001"),
    ] {
        let mut imagen = deployment(dialect);
        imagen.model = model.into();
        let error = send(&imagen, Operation::ImagesEdits, false, &form).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("model"));
        let advice = "imagen-3.0-capability-001 on Vertex AI";
        assert!(error.message.contains(advice), "{}", error.message);
    }
}

#[test]
fn what_an_edit_by_gemini_cannot_express_is_refused_or_dropped() {
    let gemini = deployment("gemini");
    for (name, value) in [
        ("n", "2"),
        ("mask", "m"),
        ("stream", "true"),
        ("quality", "high"),
    ] {
        let refused = form(&[("prompt", "x"), (name, value)], ("image", b"x"));
        let error = send(&gemini, Operation::ImagesEdits, false, &refused).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(name), "{}", error.message);
        let fields = [("prompt", "x"), (name, value), ("drop_params", "true")];
        let dropped = form(&fields, ("image", b"x"));
        let sent = send(&gemini, Operation::ImagesEdits, false, &dropped).unwrap();
        assert_eq!(sent.dropped, [name]);
    }
    let error = send(
        &gemini,
        Operation::ImagesEdits,
        false,
        &form(&[], ("image", b"x")),
    );
    assert_eq!(error.unwrap_err().param.as_deref(), Some("prompt"));
}
