//! What the edge refuses, and what it states.

use dragoman_dialect::edge::inspect;
use dragoman_proto::{ApiError, Facts, Operation};

fn chat(body: impl AsRef<[u8]>) -> Result<Facts, ApiError> {
    inspect(
        Operation::ChatCompletions,
        "/v1/chat/completions",
        Some("application/json"),
        body.as_ref(),
    )
}

fn with(member: &str) -> Result<Facts, ApiError> {
    chat(format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"hello"}}]{}{member}}}"#,
        if member.is_empty() { "" } else { "," }
    ))
}

#[test]
fn a_body_that_is_not_json_is_told_where() {
    let error = chat(b"{\"model\": \"m\",}").unwrap_err();
    assert_eq!(error.status(), 400);
    assert!(
        error.message.starts_with("the body is not valid JSON: ")
            && error.message.contains("line 1"),
        "{}",
        error.message
    );
}

#[test]
fn bodies_that_are_no_request_are_400() {
    let deep = format!(
        r#"{{"messages":[{{"role":"user","x":{}"#,
        "[".repeat(100_000)
    );
    let closed = format!(r#"{{"x":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    for body in [
        "",
        " ",
        "null",
        "1",
        "[]",
        "[{\"model\":\"m\"}]",
        "\"text\"",
        "{}",
        "{\"model\":\"m\"}x",
        "{\"messages\":1e999}",
        &deep,
        &closed,
    ] {
        let error = chat(body).unwrap_err();
        assert_eq!(error.status(), 400, "{:.40}: {}", body, error.message);
    }
    assert_eq!(chat(b"{\"model\":\"\xff\"}").unwrap_err().status(), 400);
    assert_eq!(
        chat(b"{\"messages\":[{\"role\":\"user\",\"content\":\"\xc3\"}]}")
            .unwrap_err()
            .status(),
        400
    );
}

#[test]
fn wrong_types_are_named() {
    for (member, param) in [
        (r#""model":5"#, "model"),
        (r#""model":"""#, "model"),
        (r#""stream":"yes""#, "stream"),
        (r#""max_tokens":0"#, "max_tokens"),
        (r#""max_tokens":-1"#, "max_tokens"),
        (r#""max_tokens":"9""#, "max_tokens"),
        (r#""max_completion_tokens":1.5"#, "max_completion_tokens"),
        (r#""n":0"#, "n"),
        (r#""n":1000"#, "n"),
        (r#""temperature":"hot""#, "temperature"),
        (r#""stop":[1]"#, "stop"),
        (r#""tools":{}"#, "tools"),
        (r#""tools":["x"]"#, "tools"),
        (r#""user":7"#, "user"),
        (r#""metadata":[]"#, "metadata"),
        (r#""timeout":0"#, "timeout"),
        (r#""num_retries":-1"#, "num_retries"),
        (r#""messages":null"#, ""),
        (r#""messages":{}"#, "messages"),
        (r#""messages":"hi""#, "messages"),
        (r#""messages":[]"#, "messages"),
        (r#""messages":[1]"#, "messages[0]"),
        (
            r#""messages":[{"role":"user"},{"content":"x"}]"#,
            "messages[1]",
        ),
        (r#""messages":[{"role":1}]"#, "messages[0]"),
    ] {
        let result = with(member);
        if param.is_empty() {
            // The first of the two counts: null says nothing.
            assert!(result.is_ok(), "{member}");
            continue;
        }
        let error = result.expect_err(member);
        assert_eq!(
            (error.status(), error.param.as_deref()),
            (400, Some(param)),
            "{member}"
        );
    }
}

#[test]
fn what_travels_in_headers_is_bounded() {
    let long = "x".repeat(513);
    for name in ["model", "user"] {
        let error = with(&format!(r#""{name}":"{long}""#)).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(name));
    }
    let many = vec![r#""t""#; 100].join(",");
    let facts = with(&format!(
        r#""tags":[{many},"{long}"],"metadata":{{"tags":["u"]}}"#
    ))
    .unwrap();
    assert_eq!(facts.overrides.tags.len(), 16);
}

#[test]
fn null_is_as_good_as_nothing() {
    let facts = chat(
        r#"{"model":null,"messages":[{"role":"user","content":null}],"stream":null,"stop":null,
        "tools":null,"max_tokens":null,"n":null,"user":null,"metadata":null}"#,
    )
    .unwrap();
    assert_eq!((facts.model, facts.stream, facts.choices), (None, false, 1));
    let error = chat(r#"{"model":"m","messages":null}"#).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("messages"));
}

#[test]
fn facts_are_taken() {
    let facts = with(
        r#""stream":true,"max_tokens":5,"max_completion_tokens":9,"n":2,"user":"u",
        "fallbacks":["a",{"b":["c"]}],"disable_fallbacks":true,"num_retries":0,"timeout":1.5,
        "tags":["t"],"metadata":{"tags":["s"],"other":[{"tags":["no"]}]}"#,
    )
    .unwrap();
    assert_eq!(facts.model.as_deref(), Some("m"));
    assert_eq!(
        (facts.stream, facts.max_tokens, facts.choices),
        (true, Some(9), 2)
    );
    assert_eq!(facts.user.as_deref(), Some("u"));
    let overrides = facts.overrides;
    assert_eq!(overrides.fallbacks, Some(vec!["a".to_owned()]));
    assert!(overrides.disable_fallbacks);
    assert_eq!(
        (overrides.num_retries, overrides.timeout_ms),
        (Some(0), Some(1500))
    );
    assert_eq!(overrides.tags, ["t", "s"]);
}

#[test]
fn the_bound_is_never_below_the_bytes_of_text() {
    let text = "\\u00fc漢字".repeat(100);
    let facts = chat(format!(
        r#"{{"messages":[{{"role":"user","content":[{{"type":"text","text":"{text}"}}]}}]}}"#
    ))
    .unwrap();
    assert!(facts.prompt_bound >= 100 * 8, "{}", facts.prompt_bound);
    assert!(facts.prompt_tokens >= 200 && facts.prompt_tokens < facts.prompt_bound);
}

#[test]
fn images_are_no_text() {
    let image = "A".repeat(1_000_000);
    let facts = chat(format!(
        r#"{{"messages":[{{"role":"user","content":[{{"type":"image_url","image_url":
        {{"url":"data:image/png;base64,{image}"}}}}]}}]}}"#
    ))
    .unwrap();
    assert!(facts.prompt_bound < 1_000, "{}", facts.prompt_bound);
    assert_eq!(facts.extent.images, 1);
}

#[test]
fn sound_is_counted_in_time() {
    let sound = "T2dnUwAC".repeat(10_000);
    let part =
        format!(r#"{{"type":"input_audio","input_audio":{{"data":"{sound}","format":"opus"}}}}"#);
    let facts = chat(format!(
        r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#
    ))
    .unwrap();
    assert!((120_000..121_000).contains(&facts.extent.audio_ms));
    assert!(facts.prompt_bound < 1_000);
}

#[test]
fn each_prompt_is_completed_as_often_as_the_best_is_looked_for() {
    let choices = |members: &str| {
        let body = format!(r#"{{"model":"m",{members}}}"#);
        let facts = inspect(Operation::Completions, "/p", None, body.as_bytes());
        facts.unwrap().choices
    };
    assert_eq!(choices(r#""prompt":"a""#), 1);
    assert_eq!(choices(r#""prompt":[1,2,3],"n":2"#), 2);
    assert_eq!(choices(r#""prompt":[[1],[2]],"n":2"#), 4);
    assert_eq!(choices(r#""best_of":5,"prompt":["a","b","c"],"n":2"#), 15);
}

#[test]
fn what_is_stored_elsewhere_is_unseen() {
    let responses = |members: &str| {
        let body = format!(r#"{{"model":"m","input":"x",{members}}}"#);
        inspect(Operation::Responses, "/p", None, body.as_bytes()).unwrap()
    };
    for members in [
        r#""previous_response_id":"resp_1""#,
        r#""conversation":"conv_1""#,
        r#""prompt":{"id":"pmpt_1"}"#,
        r#""input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}]"#,
        r#""input":[{"role":"user","content":[{"type":"input_file","file_url":"https://a.test/b"}]}]"#,
    ] {
        assert!(responses(members).extent.unseen, "{members}");
    }
    assert!(
        !responses(r#""previous_response_id":null,"stream":true"#)
            .extent
            .unseen
    );
}

#[test]
fn what_google_has_cached_is_unseen() {
    for member in [
        r#""cached_content":"cachedContents/1""#,
        r#""extra_body":{"google":{"cached_content":"cachedContents/1"}}"#,
        r#""google":{"cached_content":"cachedContents/1"}"#,
    ] {
        assert!(with(member).unwrap().extent.unseen, "{member}");
    }
}

#[test]
fn what_the_provider_does_on_its_own_is_named() {
    let named = |operation, members: &str| {
        let body = format!(
            r#"{{"model":"m","input":"x","messages":[{{"role":"user","content":"x"}}],{members}}}"#
        );
        let facts = inspect(operation, "/p", None, body.as_bytes()).unwrap();
        facts.extent.unbounded
    };
    let (chat, messages) = (Operation::ChatCompletions, Operation::Messages);
    for (operation, members, name) in [
        (
            Operation::Responses,
            r#""tools":[{"type":"function","name":"f"},{"type":"web_search"}]"#,
            "tools.web_search",
        ),
        (
            messages,
            r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#,
            "tools.web_search_20250305",
        ),
        (
            chat,
            r#""tools":[{"googleSearch":{}}]"#,
            "tools.googleSearch",
        ),
        (chat, r#""web_search_options":{}"#, "web_search_options"),
        (chat, r#""service_tier":"priority""#, "service_tier"),
        (chat, r#""models":["a"]"#, "models"),
        (messages, r#""mcp_servers":[{"type":"url"}]"#, "mcp_servers"),
        (messages, r#""speed":"fast""#, "speed"),
    ] {
        assert_eq!(
            named(operation, members).as_deref(),
            Some(name),
            "{members}"
        );
    }
    for (operation, members) in [
        (
            chat,
            r#""tools":[{"type":"function","function":{"name":"f"}}]"#,
        ),
        (chat, r#""service_tier":"flex""#),
        (messages, r#""tools":[{"name":"f","input_schema":{}}]"#),
        (
            messages,
            r#""tools":[{"type":"bash_20250124","name":"bash"}],"mcp_servers":[]"#,
        ),
        (Operation::AudioSpeech, r#""speed":2"#),
    ] {
        assert_eq!(named(operation, members), None, "{members}");
    }
}

#[test]
fn a_prediction_is_output_that_no_cap_covers() {
    let facts = with(r#""prediction":{"type":"content","content":"0123456789"}"#).unwrap();
    assert!((10..30).contains(&facts.extent.output_tokens));
    assert!(facts.prompt_bound >= 15);
}

#[test]
fn endpoints_want_what_they_are_for() {
    for (operation, missing, good) in [
        (Operation::Embeddings, "input", r#"{"input":"x"}"#),
        (Operation::Embeddings, "input", r#"{"input":[[1,2],[3]]}"#),
        (
            Operation::ImagesGenerations,
            "prompt",
            r#"{"prompt":"a cat","n":2}"#,
        ),
        (Operation::Completions, "prompt", r#"{"prompt":["a"]}"#),
        (Operation::Moderations, "input", r#"{"input":["x"]}"#),
        (
            Operation::AudioSpeech,
            "input",
            r#"{"input":"x","voice":"y"}"#,
        ),
        (
            Operation::Rerank,
            "query",
            r#"{"query":"q","documents":["a"]}"#,
        ),
        (
            Operation::Messages,
            "messages",
            r#"{"messages":[{"role":"user"}],"max_tokens":1}"#,
        ),
    ] {
        let error = inspect(operation, "/p", None, b"{\"model\":\"m\"}").unwrap_err();
        assert_eq!(error.param.as_deref(), Some(missing), "{operation:?}");
        assert!(
            inspect(operation, "/p", None, good.as_bytes()).is_ok(),
            "{good}"
        );
    }
}

const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n\
                    RIFF\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n\
                    --b--\r\n";

#[test]
fn a_form_states_its_model() {
    let kind = Some("multipart/form-data; boundary=b");
    let operation = Operation::AudioTranscriptions;
    let facts = inspect(operation, "/p", kind, FORM.as_bytes()).unwrap();
    assert_eq!(facts.model.as_deref(), Some("whisper"));
    let image = inspect(Operation::ImagesEdits, "/p", kind, FORM.as_bytes()).unwrap_err();
    assert_eq!(image.param.as_deref(), Some("image"));
}

#[test]
fn a_file_that_claims_to_last_long_is_believed() {
    let kind = Some("multipart/form-data; boundary=b");
    let operation = Operation::AudioTranscriptions;
    let audio_ms = |file: &[u8]| {
        let (head, tail) = FORM.split_once("RIFF").unwrap();
        let body = [head.as_bytes(), file, tail.as_bytes()].concat();
        let facts = inspect(operation, "/p", kind, &body).unwrap();
        facts.extent.audio_ms
    };
    assert_eq!(audio_ms(b"OggS"), 8);
    // a byte of each second, it says
    let mut wave = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wave.extend([1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 8, 0]);
    assert_eq!(audio_ms(&wave), 36_000);
}

#[test]
fn the_wrong_kind_of_body_is_415() {
    let json = inspect(
        Operation::AudioTranscriptions,
        "/p",
        Some("application/json"),
        b"{}",
    );
    assert_eq!(json.unwrap_err().status(), 415);
    let kind = Some("multipart/form-data; boundary=b");
    let form = inspect(Operation::ChatCompletions, "/p", kind, FORM.as_bytes());
    assert_eq!(form.unwrap_err().status(), 415);
}

fn messages(members: &str) -> Result<Facts, ApiError> {
    let body = format!(r#"{{"model":"m","max_tokens":9,{members}}}"#);
    inspect(Operation::Messages, "/v1/messages", None, body.as_bytes())
}

#[test]
fn a_message_states_its_facts() {
    let facts = messages(
        r#""messages":[{"role":"user","content":"hello"}],"stream":true,"system":[{"type":"text","text":"s"}],
        "stop_sequences":["a"],"metadata":{"user_id":"u1"},"tool_choice":{"type":"auto"},"thinking":{"type":"disabled"}"#,
    )
    .unwrap();
    assert_eq!(facts.user.as_deref(), Some("u1"));
    assert_eq!((facts.max_tokens, facts.stream), (Some(9), true));
}

#[test]
fn wrong_types_of_a_message_are_named() {
    for (members, param) in [
        (r#""system":5"#, "system"),
        (r#""system":["x"]"#, "system"),
        (r#""stop_sequences":"x""#, "stop_sequences"),
        (r#""thinking":true"#, "thinking"),
        (r#""tool_choice":"auto""#, "tool_choice"),
        (r#""metadata":"x""#, "metadata"),
        (r#""messages":[]"#, "messages"),
        (r#""messages":[{"content":"x"}]"#, "messages[0]"),
    ] {
        let members = format!(r#""messages":[{{"role":"user","content":"x"}}],{members}"#);
        let error = messages(&members).unwrap_err();
        assert_eq!(
            (error.status(), error.param.as_deref()),
            (400, Some(param)),
            "{members}"
        );
    }
}

#[test]
fn media_of_messages_are_no_text() {
    let bound = |source: &str, kind: &str| {
        let members = format!(
            r#""messages":[{{"role":"user","content":[{{"type":"{kind}","source":{source}}}]}}]"#
        );
        let facts = messages(&members).unwrap();
        (facts.prompt_bound, facts.extent.images, facts.extent.unseen)
    };
    let long = "A".repeat(100_000);
    let image = format!(r#"{{"type":"base64","media_type":"image/png","data":"iVBOR{long}"}}"#);
    assert!(matches!(bound(&image, "image"), (0..1_000, 1, false)));
    let url = r#"{"type":"url","url":"https://example.test/a"}"#;
    assert!(matches!(bound(url, "image"), (0..1_000, 1, false)));
    assert!(bound(url, "document").2);
    let pdf = format!(r#"{{"type":"base64","media_type":"application/pdf","data":"{long}"}}"#);
    assert!(matches!(bound(&pdf, "document"), (200_000.., 0, false)));
}

#[test]
fn wrong_types_of_a_response_are_named() {
    for (member, param) in [
        (r#""input":5"#, "input"),
        (r#""input":[]"#, "input"),
        (r#""instructions":[]"#, "instructions"),
        (r#""text":"x""#, "text"),
        (r#""reasoning":"high""#, "reasoning"),
        (r#""background":"yes""#, "background"),
    ] {
        let body = format!(r#"{{"model":"m",{member}}}"#);
        let error =
            inspect(Operation::Responses, "/v1/responses", None, body.as_bytes()).unwrap_err();
        assert_eq!(
            (error.status(), error.param.as_deref()),
            (400, Some(param)),
            "{member}"
        );
    }
}
