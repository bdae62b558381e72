//! Providers as they are met: over TLS, in HTTP/1.1 or HTTP/2, with certificates that are checked.

use dragoman_tests::{
    harness::{Authority, Config, FRONT_PROTOCOL, Setup, Shared, Stack, TlsFront, run},
    provider::ScriptedProvider,
};
use serde_json::{Value, json};

struct Fixture {
    stack: Stack,
    provider: ScriptedProvider,
    _authorities: [Authority; 2],
    _fronts: [TlsFront; 3],
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let (ours, theirs) = (Authority::new()?, Authority::new()?);
            let to = provider.address();
            let old = TlsFront::start(&ours, &["http/1.1"], to).await?;
            let new = TlsFront::start(&ours, &["h2", "http/1.1"], to).await?;
            let stranger = TlsFront::start(&theirs, &["h2", "http/1.1"], to).await?;
            let port = new.address().port();
            let config = Config::new()
                .deployment("old", openai(&old.address().to_string()))
                .deployment("new", openai(&new.address().to_string()))
                .deployment("claude", anthropic(&new.address().to_string()))
                .deployment("stranger", openai(&stranger.address().to_string()))
                .deployment("misnamed", openai(&format!("localhost:{port}")))
                .deployment("careful", openai(&stranger.address().to_string()))
                .fallback("careful", &["new"]);
            let ca = ours.ca().to_string_lossy().into_owned();
            let setup = Setup::new(&config).env("DRAGOMAN_CA_FILE", &ca);
            Ok(Fixture {
                stack: setup.start().await?,
                provider,
                _authorities: [ours, theirs],
                _fronts: [old, new, stranger],
            })
        })
        .await
}

fn openai(address: &str) -> Value {
    json!({"model": "openai/gpt-4o", "api_base": format!("https://{address}/v1"), "api_key": "sk-tls"})
}

fn anthropic(address: &str) -> Value {
    let base = format!("https://{address}");
    json!({"model": "anthropic/claude-sonnet-4-5", "api_base": base, "api_key": "sk-ant-tls"})
}

fn asking(model: &str, text: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]})
}

/// Whole answers and streams come, and the provider was spoken to in `protocol`.
async fn is_served(alias: &str, protocol: &str) {
    let fixture = fixture().await;
    let (whole, parts) = (format!("{alias} whole"), format!("{alias} in parts"));
    let reply = fixture.stack.chat(asking(alias, &whole, false)).await;
    assert_eq!(reply.said(), format!("You said: {whole}"));
    let stream = fixture.stack.stream_chat(asking(alias, &parts, true)).await;
    assert_eq!(stream.said(), format!("You said: {parts}"));
    for text in [whole, parts] {
        let request = fixture.provider.request_with(&text);
        assert_eq!(request.header(FRONT_PROTOCOL), Some(protocol), "{text}");
    }
}

/// Nobody is spoken to, and the client hears that the provider cannot be reached.
async fn is_not_trusted(alias: &str) {
    let fixture = fixture().await;
    let text = format!("for {alias} only");
    let reply = fixture.stack.chat(asking(alias, &text, false)).await;
    reply.error(503, "service_unavailable_error");
    assert_eq!(fixture.provider.requests_with(&text).len(), 0);
}

#[test]
fn a_provider_that_has_http_1_only_is_served_in_it() {
    run(is_served("old", "HTTP/1.1"));
}

#[test]
fn a_provider_that_has_http_2_is_served_in_it() {
    run(is_served("new", "HTTP/2"));
}

#[test]
fn a_provider_of_another_dialect_is_served_in_http_2() {
    run(is_served("claude", "HTTP/2"));
}

#[test]
fn a_certificate_of_a_strange_authority_is_not_trusted() {
    run(is_not_trusted("stranger"));
}

#[test]
fn a_certificate_for_another_name_is_not_trusted() {
    run(is_not_trusted("misnamed"));
}

#[test]
fn a_provider_that_is_not_trusted_is_passed_over() {
    run(async {
        let fixture = fixture().await;
        let text = "to somebody who is who they say";
        let reply = fixture.stack.chat(asking("careful", text, false)).await;
        assert_eq!(reply.said(), format!("You said: {text}"));
        assert_eq!(fixture.provider.requests_with(text).len(), 1);
    });
}
