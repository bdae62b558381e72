//! A file of prices: in force at once, taken over when it changes, and kept when it does not read.

use std::path::Path;

use dragoman_tests::{
    harness::{Config, Setup, Stack, eventually, run},
    provider::ScriptedProvider,
};
use serde_json::json;

/// `hello` has 5 tokens of input and 3 of output, at so many millionths of a dollar each.
fn write(file: &Path, millionths: u32) {
    let price = f64::from(millionths) / 1e6;
    let listed = json!({"gpt-mine": {
        "litellm_provider": "openai", "mode": "chat",
        "input_cost_per_token": price, "output_cost_per_token": price,
    }});
    // as an editor does it: never half a file
    let partial = file.with_extension("partial");
    std::fs::write(&partial, listed.to_string()).expect("a file");
    std::fs::rename(partial, file).expect("a file in its place");
}

async fn cost(stack: &Stack) -> Option<i64> {
    let reply = stack.hello("m").await;
    reply.ok();
    stack.ledger().request(&reply.request_id()).await.cost_nanos
}

async fn comes_to_cost(stack: &Stack, nanos: i64) {
    eventually("the new price is in force", async || {
        (cost(stack).await == Some(nanos)).then_some(())
    })
    .await;
}

#[test]
fn a_file_of_prices_is_followed_and_a_bad_one_changes_nothing() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("prices.json");
        write(&file, 1);
        let provider = ScriptedProvider::start().await.expect("a provider");
        let config =
            Config::new()
                .openai("m", &provider, "gpt-mine")
                .set("dragoman", "prices", json!(file));
        let stack = Setup::new(&config).start().await.expect("a stack");
        assert_eq!(cost(&stack).await, Some(8_000));
        write(&file, 2);
        comes_to_cost(&stack, 16_000).await;
        std::fs::write(&file, "{\"gpt-mine\": {\"input_cost_per_token\": -1}}").expect("a file");
        eventually("the bad file is told", async || {
            let log = stack.service_log();
            log.contains("a negative amount").then_some(())
        })
        .await;
        assert_eq!(cost(&stack).await, Some(16_000));
        write(&file, 3);
        comes_to_cost(&stack, 24_000).await;
    });
}
