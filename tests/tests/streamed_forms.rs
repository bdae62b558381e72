//! Forms with a file that is sent on while it still comes: nobody waits for it, and all that holds for
//! whole requests holds for it.

use std::collections::HashMap;

use dragoman_tests::{
    harness::{
        Client, Config, Conversation, Key, MASTER_KEY, Puppet, Reply, RequestRow, Setup, Shared,
        Stack, eventually, free_port, run,
    },
    provider::ScriptedProvider,
};
use futures::future::join_all;
use reqwest::{
    Method, RequestBuilder,
    multipart::{Form, Part},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PATH: &str = "/v1/audio/transcriptions";
const ANSWER: &str = r#"{"text":"words","usage":{"type":"duration","seconds":3}}"#;
const MARK: &[u8] = b"so far and no further";

fn field(name: &str, value: &str) -> Vec<u8> {
    format!("--xYz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        .into_bytes()
}

/// A form whose file is a megabyte, with [`MARK`] in its middle, and where that ends.
fn form(model: &str, late: &[u8]) -> (Vec<u8>, usize) {
    let mut form = field("model", model);
    form.extend(
        b"--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n",
    );
    form.extend(sound(500_000));
    form.extend(MARK);
    let half = form.len();
    form.extend(vec![b's'; 500_000]);
    form.extend(b"\r\n");
    form.extend(late);
    form.extend(b"--xYz--\r\n");
    (form, half)
}

/// A file of so many bytes that tells that a second has a thousand.
fn sound(bytes: usize) -> Vec<u8> {
    let mut wave = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wave.extend(1_000_u32.to_le_bytes());
    wave.extend(1_000_u32.to_le_bytes());
    wave.extend([1, 0, 8, 0]);
    wave.resize(bytes, b's');
    wave
}

/// Aliases of a puppet each; the second of these follows the first when it fails.
const PUPPETS: [&str; 9] = [
    "moves on",
    "moved to",
    "early",
    "silent",
    "refuses",
    "second model",
    "leaves",
    "ends early",
    "budget",
];
/// How a first provider fails, where the second answers.
const FAILURES: [&str; 4] = ["error-500", "reset", "html", "refused"];

struct Fixture {
    stack: Stack,
    provider: ScriptedProvider,
    puppets: HashMap<&'static str, Puppet>,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let mut puppets = HashMap::new();
            let mut config = Config::new().fallback("moves on", &["moved to"]);
            for alias in PUPPETS {
                let puppet = Puppet::start().await?;
                config = priced(config, alias, &puppet.openai_base());
                puppets.insert(alias, puppet);
            }
            config = priced(config, "hear", &provider.openai_base());
            let azure = json!({"model": "azure/my-whisper", "api_base": provider.root(),
                "api_version": "2024-10-21", "api_key": "azure-key"});
            config = config.deployment("azure", azure);
            for failure in FAILURES {
                let model = format!("x!{failure}");
                config = config.openai(failure, &provider, &model);
                if failure == "refused" {
                    config = config.nowhere(&free_port().to_string());
                }
                config = config.fallback(failure, &["azure"]);
            }
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture {
                stack,
                provider,
                puppets,
            })
        })
        .await
}

/// A deployment whose seconds have a price.
fn priced(config: Config, alias: &str, base: &str) -> Config {
    config.entry(json!({
        "model_name": alias,
        "litellm_params": {"model": "openai/whisper-x", "api_key": "sk-x", "api_base": base},
        "model_info": {"input_cost_per_second": 0.001},
    }))
}

/// A client that sends what the test wants, when it wants.
struct Slow(TcpStream);

impl Slow {
    /// Has sent the head of a form of this length.
    async fn begin(stack: &Stack, key: &str, length: usize) -> Self {
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n\
             content-type: multipart/form-data; boundary=xYz\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n"
        );
        let stream = TcpStream::connect(stack.http).await.expect("a connection");
        let mut slow = Self(stream);
        slow.send(head.as_bytes()).await;
        slow
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("sent");
    }

    /// The whole answer.
    async fn answer(mut self) -> String {
        let mut answer = Vec::new();
        let _ = self.0.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// The one row of a model, once it is there.
async fn row(alias: &str) -> RequestRow {
    let ledger = fixture().await.stack.ledger();
    eventually("a row", async || {
        ledger.requests_for(alias).await.ok()?.pop()
    })
    .await
}

fn request(client: &Client, form: Form) -> RequestBuilder {
    client.request(Method::POST, PATH).multipart(form)
}

/// What a provider gets of a form.
fn expected(form: &[u8], alias: &str, model: &str) -> Vec<u8> {
    let (old, new) = (field("model", alias), field("model", model));
    [&new, form.strip_prefix(old.as_slice()).expect("a model")].concat()
}

/// A form of which half has reached its provider, and no more was sent.
struct Half {
    client: Slow,
    provider: Conversation,
    form: Vec<u8>,
    rest: Vec<u8>,
}

async fn half(alias: &str, key: &str, late: &[u8]) -> Half {
    let fixture = fixture().await;
    let (form, half) = form(alias, late);
    let mut client = Slow::begin(&fixture.stack, key, form.len()).await;
    client.send(&form[..half]).await;
    let mut provider = fixture.puppets[alias].conversation().await;
    provider.hear(MARK).await;
    let rest = form[half..].to_vec();
    Half {
        client,
        provider,
        form,
        rest,
    }
}

#[test]
fn a_provider_hears_a_file_before_its_client_has_sent_it() {
    run(async {
        let mut half = half("early", MASTER_KEY, &field("language", "en")).await;
        // Only now does the client go on.
        half.client.send(&half.rest).await;
        let (head, body) = half.provider.hear_all().await;
        assert!(!head.contains("transfer-encoding"), "{head}");
        assert!(body == expected(&half.form, "early", "whisper-x"));
        half.provider.answer(200, ANSWER).await;
        let answer = half.client.answer().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let row = row("early").await;
        assert_eq!((row.state.as_str(), row.audio_ms), ("complete", 3000));
        assert_eq!(row.cost_nanos, Some(3_000_000));
    });
}

#[test]
fn sound_that_nobody_counts_costs_what_passed() {
    run(async {
        let mut half = half("silent", MASTER_KEY, b"").await;
        half.client.send(&half.rest).await;
        half.provider.hear_all().await;
        half.provider.answer(200, r#"{"text":"words"}"#).await;
        half.client.answer().await;
        let row = row("silent").await;
        let file = 1_000_000 + i64::try_from(MARK.len()).unwrap();
        assert_eq!(
            (row.audio_ms, row.usage_source.as_str()),
            (file, "estimated")
        );
    });
}

#[test]
fn a_form_moves_on_when_its_first_provider_fails() {
    run(async {
        let Fixture {
            stack, provider, ..
        } = fixture().await;
        for first in FAILURES {
            let mut sound = sound(3_000_000);
            let note = format!("moved on after {first}");
            sound.extend(note.bytes());
            let heard = format!("Heard {} bytes.", sound.len());
            let form = Form::new()
                .text("model", first)
                .part("file", Part::bytes(sound).file_name("a.wav"))
                .text("language", "en");
            let reply = Reply::of(request(stack, form)).await;
            assert_eq!(reply.ok()["text"], heard.as_str(), "{first}");
            let sent = provider.requests_with(&note);
            let last = sent.last().expect("a request");
            assert!(last.path.starts_with("/openai/deployments/my-whisper/"));
            let length = last.body.len().to_string();
            assert_eq!(last.header("content-length"), Some(length.as_str()));
            let row = stack.ledger().request(&reply.request_id()).await;
            assert_eq!((row.attempts, row.state.as_str()), (2, "complete"));
        }
    });
}

#[test]
fn a_form_moves_on_while_it_still_comes() {
    run(async {
        let mut half = half("moves on", MASTER_KEY, b"").await;
        let error = r#"{"error":{"message":"no","type":"server_error"}}"#;
        half.provider.answer(500, error).await;
        let mut second = fixture().await.puppets["moved to"].conversation().await;
        second.hear(MARK).await;
        half.client.send(&half.rest).await;
        let (_, body) = second.hear_all().await;
        assert!(body == expected(&half.form, "moves on", "whisper-x"));
        second.answer(200, ANSWER).await;
        let answer = half.client.answer().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let row = row("moves on").await;
        assert_eq!((row.attempts, row.state.as_str()), (2, "complete"));
    });
}

#[test]
fn a_refusal_in_the_middle_of_a_form_reaches_the_client_at_once() {
    run(async {
        let half = half("refuses", MASTER_KEY, b"").await;
        let error = r#"{"error":{"message":"no such language","type":"invalid_request_error"}}"#;
        half.provider.answer(400, error).await;
        let answer = half.client.answer().await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains("no such language"), "{answer}");
        assert_eq!(row("refuses").await.state, "rejected");
    });
}

/// A key with a budget of its own for one form, a bit more than a thousand seconds.
async fn small_key() -> Key {
    let stack = &fixture().await.stack;
    stack.new_key(json!({"max_budget": 1.1})).await
}

/// The form came to nothing: no failure of the provider, nothing charged, and the budget is there.
async fn came_to_nothing(alias: &str, key: &Key, state: &str) {
    let row = row(alias).await;
    assert_eq!(row.state, state);
    assert_eq!(row.cost_nanos.unwrap_or_default(), 0);
    let client = fixture().await.stack.holding(key);
    let part = Part::bytes(sound(1_000_000)).file_name("a.wav");
    let form = Form::new().text("model", "hear").part("file", part);
    let reply = Reply::of(request(&client, form)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[test]
fn a_second_model_behind_the_file_never_reaches_a_provider() {
    run(async {
        let key = small_key().await;
        let second = field("model", "dear");
        let mut half = half("second model", &key.secret, &second).await;
        half.client.send(&half.rest).await;
        let answer = half.client.answer().await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(
            answer.contains("model must come before the file"),
            "{answer}"
        );
        let received = half.provider.left().await;
        assert!(memchr::memmem::find(&received, b"dear").is_none());
        assert!(memchr::memmem::find(&received, b"--xYz--").is_none());
        came_to_nothing("second model", &key, "rejected").await;
    });
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_form_pays_nothing() {
    run(async {
        let key = small_key().await;
        let half = half("leaves", &key.secret, b"").await;
        drop(half.client);
        let received = half.provider.left().await;
        assert!(memchr::memmem::find(&received, b"--xYz--").is_none());
        came_to_nothing("leaves", &key, "cancelled").await;
    });
}

#[test]
fn a_form_without_its_end_is_the_client_s_mistake() {
    run(async {
        let key = small_key().await;
        let mut half = half("ends early", &key.secret, b"").await;
        let end = half.rest.len() - 10;
        half.rest[end..].fill(b'x');
        half.client.send(&half.rest).await;
        let answer = half.client.answer().await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(
            answer.contains("does not end with its boundary"),
            "{answer}"
        );
        half.provider.left().await;
        came_to_nothing("ends early", &key, "rejected").await;
    });
}

#[test]
fn a_form_under_way_holds_its_budget() {
    run(async {
        let key = small_key().await;
        let half = half("budget", &key.secret, b"").await;
        let client = fixture().await.stack.holding(&key);
        let part = Part::bytes(sound(200_000)).file_name("a.wav");
        let form = Form::new().text("model", "hear").part("file", part);
        let reply = Reply::of(request(&client, form)).await;
        let error = reply.error(429, "insufficient_quota");
        assert_eq!(error["code"], "budget_reserved");
        drop(half);
    });
}

#[test]
fn a_form_is_held_where_its_file_comes_first_or_its_length_is_not_known() {
    run(async {
        let stack = &fixture().await.stack;
        let part = Part::bytes(sound(1_000_000)).file_name("a.wav");
        let first = Form::new().part("file", part).text("model", "hear");
        let reply = Reply::of(request(stack, first)).await;
        assert_eq!(reply.ok()["text"], "Heard 1000000 bytes.");
        let chunks: Vec<_> = sound(1_000_000)
            .chunks(10_000)
            .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
            .collect();
        let chunked = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
        let form = Form::new()
            .text("model", "hear")
            .part("file", Part::stream(chunked).file_name("a.wav"));
        let reply = Reply::of(request(stack, form)).await;
        assert_eq!(reply.ok()["text"], "Heard 1000000 bytes.");
    });
}

#[test]
fn a_form_over_http2_is_sent_on_too() {
    run(async {
        let Fixture {
            stack, provider, ..
        } = fixture().await;
        let note = "over another protocol";
        let mut sound = sound(9_000_000);
        sound.extend(note.bytes());
        let part = Part::bytes(sound).file_name("a.wav");
        let form = Form::new().text("model", "hear").part("file", part);
        let over_tls = stack.client().clone().over_tls(stack.https);
        Reply::of(request(&over_tls, form)).await.ok();
        let sent = provider.request_with(note);
        let length = sent.body.len().to_string();
        assert_eq!(sent.header("content-length"), Some(length.as_str()));
    });
}

#[test]
fn a_key_that_is_not_known_hears_so_while_it_sends() {
    run(async {
        let Fixture {
            stack, provider, ..
        } = fixture().await;
        let stranger = stack.client().clone().with_key("sk-unknown");
        let note = "from a stranger";
        let mut sound = sound(9_000_000);
        sound.splice(9_000..9_000, note.bytes());
        let part = Part::bytes(sound).file_name("a.wav");
        let form = Form::new().text("model", "hear").part("file", part);
        let reply = Reply::of(request(&stranger, form)).await;
        reply.error(401, "authentication_error");
        assert!(provider.requests_with(note).is_empty());
    });
}

#[test]
fn a_crowd_that_sends_long_files_stays_within_its_budget() {
    run(async {
        let stack = &fixture().await.stack;
        // A hundred seconds each, which the provider counts by the same rule.
        let key = stack.new_key(json!({"max_budget": 1.05})).await;
        let client = stack.holding(&key);
        let ask = || {
            let part = Part::bytes(sound(100_000)).file_name("a.wav");
            let form = Form::new().text("model", "hear").part("file", part);
            Reply::of(request(&client, form))
        };
        let replies = join_all((0..40).map(|_| ask())).await;
        let served = replies.iter().filter(|reply| reply.status == 200).count();
        for reply in replies.iter().filter(|reply| reply.status != 200) {
            reply.error(429, "insufficient_quota");
        }
        assert_eq!(served, 10);
    });
}
