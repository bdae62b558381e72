//! Tokens over time, by a clock that only moves when nothing else is to be done.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use dragoman_config::Secret;
use tokio::time::{Instant, advance, sleep};
use tonic::async_trait;

use super::*;
use crate::credentials::{Issued, TokenError};

const HOUR: u64 = 3600;

/// Issues `token-1`, `token-2` … that live for an hour, or fails.
#[derive(Default)]
struct Mint {
    issued: AtomicU64,
    asked: Mutex<Vec<Instant>>,
    is_down: Mutex<bool>,
}

#[async_trait]
impl Issuer for Mint {
    async fn issue(&self, _: &GoogleCredentials) -> Result<Issued, TokenError> {
        self.asked.lock().unwrap().push(Instant::now());
        if *self.is_down.lock().unwrap() {
            return Err(TokenError::Garbage);
        }
        let number = self.issued.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Issued {
            token: Secret::new(format!("token-{number}")),
            lifetime: Duration::from_secs(HOUR),
        })
    }
}

impl Mint {
    fn set_down(&self, down: bool) {
        *self.is_down.lock().unwrap() = down;
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// Deployments with their metadata server's name.
fn config(deployments: &[(&str, &str)]) -> Config {
    let entries = deployments.iter().map(|(id, host)| {
        format!(
            "  - {{model_name: {id}, litellm_params: {{model: vertex_ai/gemini-2.5-pro, \
             vertex_project: p, vertex_credentials: /keys/{host}}}, model_info: {{id: {id}}}}}\n"
        )
    });
    let text = format!("model_list:\n{}", entries.collect::<String>());
    dragoman_config::load(&text, &|_: &str| None).unwrap()
}

async fn tokens(mint: &Arc<Mint>, deployments: &[(&str, &str)]) -> Tokens {
    let mut tokens = Tokens::new(mint.clone());
    tokens.configure(&config(deployments)).await;
    tokens
}

fn token(tokens: &Tokens, deployment: &str) -> Option<String> {
    let token = tokens.board.token(deployment)?;
    Some(token.expose().to_owned())
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn deployments_with_the_same_credentials_share_a_token() {
    let mint = Arc::new(Mint::default());
    let tokens = tokens(&mint, &[("a", "one"), ("b", "one"), ("c", "two")]).await;
    assert_eq!(token(&tokens, "a"), token(&tokens, "b"));
    assert_ne!(token(&tokens, "a"), token(&tokens, "c"));
    assert_eq!(mint.asked(), 2);
    assert_eq!(token(&tokens, "other"), None);
    assert!(!tokens.board.is_without("other"), "it needs none");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_expires() {
    let mint = Arc::new(Mint::default());
    let tokens = tokens(&mint, &[("a", "one")]).await;
    let mut changes = tokens.changes();
    pass(HOUR * 3 / 4 - 1).await;
    assert_eq!(token(&tokens, "a").as_deref(), Some("token-1"));
    pass(2).await;
    assert_eq!(token(&tokens, "a").as_deref(), Some("token-2"));
    assert!(
        changes.has_changed().unwrap(),
        "who builds secrets hears of it"
    );
    changes.mark_unchanged();
}

#[tokio::test(start_paused = true)]
async fn the_old_token_holds_as_long_as_it_is_valid() {
    let mint = Arc::new(Mint::default());
    let tokens = tokens(&mint, &[("a", "one")]).await;
    mint.set_down(true);
    pass(HOUR - 1).await;
    assert_eq!(token(&tokens, "a").as_deref(), Some("token-1"));
    assert_eq!(tokens.board.trouble("a"), None);
    pass(2).await;
    assert_eq!(token(&tokens, "a"), None);
    assert_eq!(
        tokens.board.trouble("a").as_deref(),
        Some("the token endpoint's answer holds no token")
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_is_down_is_asked_less_and_less_often_until_it_is_back() {
    let mint = Arc::new(Mint::default());
    mint.set_down(true);
    let start = Instant::now();
    let tokens = tokens(&mint, &[("a", "one")]).await;
    assert_eq!(
        start.elapsed(),
        Duration::ZERO,
        "a refusal is waited for no longer"
    );
    pass(20).await;
    let asked = mint.asked.lock().unwrap().clone();
    let seconds: Vec<u64> = asked.iter().map(|at| (*at - start).as_secs()).collect();
    assert_eq!(seconds, [0, 1, 3, 7, 15]);
    assert!(tokens.board.is_without("a"));
    mint.set_down(false);
    pass(12).await;
    assert_eq!(token(&tokens, "a").as_deref(), Some("token-1"));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_hangs_does_not_hold_up_the_start() {
    struct Hangs;
    #[async_trait]
    impl Issuer for Hangs {
        async fn issue(&self, _: &GoogleCredentials) -> Result<Issued, TokenError> {
            std::future::pending().await
        }
    }
    let start = Instant::now();
    let mut tokens = Tokens::new(Arc::new(Hangs));
    tokens.configure(&config(&[("a", "one")])).await;
    assert_eq!(start.elapsed(), FIRST_TOKENS);
    let trouble = tokens.board.trouble("a");
    assert_eq!(trouble.as_deref(), Some("it was not issued yet"));
}

#[tokio::test(start_paused = true)]
async fn another_configuration_keeps_the_tokens_that_it_still_needs() {
    let mint = Arc::new(Mint::default());
    let mut tokens = tokens(&mint, &[("a", "one"), ("b", "two")]).await;
    let kept = token(&tokens, "a");
    tokens
        .configure(&config(&[("renamed", "one"), ("c", "three")]))
        .await;
    assert_eq!(token(&tokens, "renamed"), kept);
    assert!(token(&tokens, "c").is_some());
    assert_eq!(token(&tokens, "b"), None);
    let asked = mint.asked();
    pass(HOUR).await;
    assert_eq!(mint.asked() - asked, 2, "nobody renews what is not needed");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_provider_refuses_is_replaced_at_once_unless_it_is_new() {
    let mint = Arc::new(Mint::default());
    let tokens = tokens(&mint, &[("a", "one")]).await;
    tokens.board.refused("a");
    pass(5).await;
    assert_eq!(token(&tokens, "a").as_deref(), Some("token-1"));
    advance(Duration::from_secs(10)).await;
    tokens.board.refused("a");
    pass(1).await;
    assert_eq!(token(&tokens, "a").as_deref(), Some("token-2"));
}

#[tokio::test(start_paused = true)]
async fn without_a_project_nobody_is_asked() {
    let mint = Arc::new(Mint::default());
    let text = "model_list: [{model_name: a, model_info: {id: a}, litellm_params: {model: \
                vertex_ai/gemini-2.5-pro, vertex_location: global}}]";
    let mut tokens = Tokens::new(mint.clone());
    let config = dragoman_config::load(text, &|_: &str| None).unwrap();
    tokens.configure(&config).await;
    assert_eq!(mint.asked(), 0);
    let trouble = tokens.board.trouble("a").unwrap();
    assert!(trouble.starts_with("no project is configured"), "{trouble}");
}
