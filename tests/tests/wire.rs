//! Answers that are right, in every form that bytes can take: the client sees none of it.

use dragoman_tests::{
    harness::{Config, DIALECTS, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
use serde_json::{Value, json};

const FORMS: &[&str] = &[
    "split-1",
    "split-7",
    "joined",
    "crlf",
    "tight",
    "pings",
    "open-end",
    "gzip",
    "unframed",
    "crlf!tight!pings!split-3",
    "gzip!split-5",
    "big-1000000",
    "words-20000",
    "slow-20",
];

struct Fixture {
    stack: Stack,
    _provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let mut config = Config::new();
            for form in FORMS {
                let model = format!("x!{form}");
                for dialect in DIALECTS {
                    config = config
                        .speaking(dialect, &format!("{dialect} {form}"), &provider, &model)
                        // Anthropic's answers have a limit: this is above the longest here.
                        .with(json!({"max_tokens": 100_000}));
                }
            }
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture {
                stack,
                _provider: provider,
            })
        })
        .await
}

fn asking(dialect: &str, form: &str) -> Value {
    json!({
        "model": format!("{dialect} {form}"),
        "messages": [{"role": "user", "content": "Zürich 🎉 twice: 🎉"}],
    })
}

/// What is said, whole and as a stream, by deployments of each dialect that send in this form.
async fn is_understood(form: &str, said: &str) {
    let stack = &fixture().await.stack;
    for dialect in DIALECTS {
        let whole = stack.chat(asking(dialect, form)).await.said();
        assert!(
            whole == said,
            "{dialect} {form}: {} bytes: {whole:.300}",
            whole.len()
        );
        let streamed = stack.stream_chat(asking(dialect, form)).await.said();
        assert!(
            streamed == said,
            "{dialect} {form}: {} bytes: {streamed:.300}",
            streamed.len()
        );
    }
}

macro_rules! understood {
    ($($name:ident: $form:literal)*) => {$(
        #[test]
        fn $name() {
            run(is_understood($form, "You said: Zürich 🎉 twice: 🎉"));
        }
    )*};
}

understood! {
    one_byte_at_a_time: "split-1"
    events_that_are_split_anywhere: "split-7"
    all_events_in_one_write: "joined"
    crlf_line_ends: "crlf"
    no_space_after_the_colon: "tight"
    comments_and_pings: "pings"
    no_blank_line_at_the_end: "open-end"
    a_compressed_answer: "gzip"
    a_compressed_answer_that_is_split_anywhere: "gzip!split-5"
    an_answer_whose_end_is_the_connection_s: "unframed"
    everything_at_once: "crlf!tight!pings!split-3"
    one_event_after_another: "slow-20"
}

#[test]
fn an_event_of_a_megabyte() {
    run(is_understood("big-1000000", &"x".repeat(1_000_000)));
}

#[test]
fn an_answer_of_twenty_thousand_events() {
    run(is_understood(
        "words-20000",
        &vec!["word"; 20_000].join(" "),
    ));
}

#[test]
fn an_answer_longer_than_its_length_harms_no_later_request() {
    run(async {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let config = Config::new().openai("m", &provider, "gpt-x");
        let stack = Setup::new(&config).start().await.expect("a stack");
        provider.script("gpt-x", &["length-1", "length+9"]);
        for _ in 0..2 {
            let status = stack.hello("m").await.status;
            assert!([200, 502, 503].contains(&status), "{status}");
        }
        for _ in 0..5 {
            assert_eq!(stack.hello("m").await.said(), "You said: hello");
        }
    });
}
