//! What `dragoman check` prints: a configuration, explained to a person at a terminal.

use std::fmt::Write as _;
use std::time::Duration;

use crate::{
    AwsSigner, Config, Deployment, Fallbacks, GoogleCredentials, Notice, Origin, Severity, Strategy,
};

/// Lines end here, where words allow it.
const WIDTH: usize = 96;

/// Explains a configuration: its models and where each goes, how requests are routed, who may do
/// what, which variables are missing, what is ignored and what that means. Holds no secret.
pub fn report(config: &Config) -> String {
    let mut page = Page(String::new());
    page.heading(&summary(config));
    models(&mut page, config);
    routing(&mut page, config);
    access(&mut page, config);
    for (severity, heading) in [
        (Severity::Missing, "Missing"),
        (Severity::Warning, "Worth knowing"),
        (Severity::Ignored, "Ignored"),
    ] {
        notices(&mut page, heading, severity, &config.notices);
    }
    page.0
}

fn summary(config: &Config) -> String {
    let deployments = config.deployments.len();
    let served = config
        .deployments
        .iter()
        .filter(|d| d.upstream().is_some())
        .count();
    let mut text = format!(
        "{}, {}",
        counted(config.aliases.len(), "model"),
        counted(deployments, "deployment"),
    );
    if served < deployments {
        let _ = write!(text, "; {} not served yet", deployments - served);
    }
    text
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn models(page: &mut Page, config: &Config) {
    for (alias, group) in &config.aliases {
        page.blank();
        let shares = config.shares(alias.as_str());
        let by_share = shares.len() > 1 && config.router.strategy == Strategy::SimpleShuffle;
        let total: u64 = shares.iter().map(|(_, share)| share).sum();
        let hidden = if group.hidden { " (not listed)" } else { "" };
        page.line(0, &format!("{alias}{hidden}"));
        for (deployment, share) in &shares {
            let of = by_share.then_some((*share, total));
            one_deployment(page, deployment, of);
        }
    }
}

fn one_deployment(page: &mut Page, deployment: &Deployment, share: Option<(u64, u64)>) {
    let Deployment {
        provider,
        model,
        id,
        ..
    } = deployment;
    let state = if deployment.upstream().is_some() {
        ""
    } else {
        ", not served yet"
    };
    page.line(1, &format!("{} {model}{state}  [{id}]", provider.prefix));
    let place = deployment.endpoint.as_ref().map(ToString::to_string);
    let place = place.unwrap_or_else(|| "no address yet".to_owned());
    page.line(2, &format!("{place}, {}", key(deployment)));
    let settings = settings(deployment, share);
    if !settings.is_empty() {
        page.line(2, &settings.join(", "));
    }
}

fn key(deployment: &Deployment) -> String {
    if let Some(signing) = &deployment.signing {
        return match &signing.signer {
            AwsSigner::Surroundings => "signed as whoever Envoy is on AWS".to_owned(),
            AwsSigner::Keys(keys) => match &keys.origin {
                Origin::Variable(name) => format!("signed with the key from {name}"),
                Origin::File | Origin::Nowhere => "signed with the key in the file".to_owned(),
            },
        };
    }
    let credential = &deployment.credential;
    if let Some(google) = &deployment.google {
        return tokens(google, &credential.origin);
    }
    match (&credential.origin, &credential.secret) {
        (Origin::File, _) => "key in the file".to_owned(),
        (Origin::Variable(name), Some(_)) => format!("key from {name}"),
        (Origin::Variable(name), None) => format!("key from {name}, which is not set"),
        (Origin::Nowhere, _) => "no key".to_owned(),
    }
}

/// What access tokens are made with.
fn tokens(google: &GoogleCredentials, origin: &Origin) -> String {
    match (google, origin) {
        (GoogleCredentials::Unusable(reason), _) => format!("no access token: {reason}"),
        (GoogleCredentials::Metadata(host), _) => format!("tokens from the metadata server {host}"),
        (GoogleCredentials::File(path), _) => format!("tokens made with {}", path.display()),
        (GoogleCredentials::Inline(_), Origin::Variable(name)) => {
            format!("tokens made with {name}")
        }
        (GoogleCredentials::Inline(_), _) => "tokens made with the key in the file".to_owned(),
    }
}

fn settings(deployment: &Deployment, share: Option<(u64, u64)>) -> Vec<String> {
    let mut settings = Vec::new();
    let mut say = |text: Option<String>| settings.extend(text);
    say(share.map(|(share, total)| format!("{share} of {total} requests")));
    say(deployment.order.map(|order| format!("order {order}")));
    say(deployment
        .max_parallel_requests
        .map(|n| format!("{n} at once")));
    say(deployment.rpm.map(|n| format!("{n} requests a minute")));
    say(deployment.tpm.map(|n| format!("{n} tokens a minute")));
    say(deployment
        .timeout
        .map(|time| format!("timeout {}", seconds(time))));
    say(deployment
        .stream_timeout
        .map(|time| format!("stream timeout {}", seconds(time))));
    say(deployment
        .max_retries
        .map(|n| counted(n as usize, "retry").replace("retrys", "retries")));
    say(deployment
        .drop_params
        .then(|| "drops parameters that it does not support".to_owned()));
    say((!deployment.prices.is_empty()).then(|| "priced in the file".to_owned()));
    let defaults: Vec<_> = deployment.defaults.keys().map(String::as_str).collect();
    say((!defaults.is_empty()).then(|| format!("default {}", defaults.join(", "))));
    settings
}

fn routing(page: &mut Page, config: &Config) {
    let router = &config.router;
    page.section("Routing");
    page.pair("strategy", router.strategy.as_str());
    page.pair("retries", &router.num_retries.to_string());
    page.pair("timeout", &seconds(router.timeout));
    if let Some(timeout) = router.stream_timeout {
        page.pair("stream timeout", &seconds(timeout));
    }
    let cooldown = match (router.cooldowns_disabled, router.allowed_fails) {
        (true, _) => "never".to_owned(),
        (false, None) => seconds(router.cooldown_time),
        (false, Some(fails)) => {
            format!(
                "{} after {fails} failures in a minute",
                seconds(router.cooldown_time)
            )
        }
    };
    page.pair("cooldown", &cooldown);
    fallbacks(page, "fallback", &router.fallbacks);
    fallbacks(page, "prompt too long", &router.context_window_fallbacks);
    fallbacks(page, "content refused", &router.content_policy_fallbacks);
    for budget in &router.provider_budgets {
        let text = format!("${} in {}", budget.dollars, budget.window);
        page.pair(&format!("budget {}", budget.provider), &text);
    }
}

fn fallbacks(page: &mut Page, label: &str, fallbacks: &Fallbacks) {
    let names = |names: &[crate::Alias]| {
        let names: Vec<_> = names.iter().map(crate::Alias::as_str).collect();
        names.join(", then ")
    };
    for (alias, targets) in &fallbacks.by_alias {
        page.pair(label, &format!("{alias} -> {}", names(targets)));
    }
    if !fallbacks.default.is_empty() {
        page.pair(
            label,
            &format!("any other -> {}", names(&fallbacks.default)),
        );
    }
}

fn access(page: &mut Page, config: &Config) {
    let general = &config.general;
    page.section("Access and records");
    let key = general.master_key.as_ref().map(|key| match &key.origin {
        Origin::Variable(name) => format!("from {name}"),
        Origin::File | Origin::Nowhere => "in the file".to_owned(),
    });
    page.pair(
        "master key",
        key.as_deref().unwrap_or("generated at first start"),
    );
    if let Some(alias) = &general.completion_model {
        page.pair("without a model", &format!("{alias} answers"));
    }
    if let Some(budget) = &general.max_budget {
        let window = budget
            .window
            .map_or(String::new(), |window| format!(" in {window}"));
        page.pair("budget", &format!("${}{window}", budget.dollars));
    }
    let ledger = match (general.disable_spend_logs, general.disable_error_logs) {
        (true, _) => "totals only",
        (false, true) => "a row per request, none for those that failed",
        (false, false) => "a row per request",
    };
    page.pair("ledger", ledger);
    if let Some(days) = config.own.retention_days {
        page.pair(
            "kept for",
            &format!("{}; sums for ever", counted_days(days)),
        );
    }
    page.pair("largest body", &bytes(config.server.max_body_bytes));
    if !config.server.root_path.is_empty() {
        page.pair("also under", &config.server.root_path);
    }
}

fn counted_days(days: u64) -> String {
    counted(usize::try_from(days).unwrap_or(usize::MAX), "day")
}

/// Equal consequences are told once, under all their places.
fn notices(page: &mut Page, heading: &str, severity: Severity, all: &[Notice]) {
    let mut of_kind: Vec<&Notice> = all.iter().filter(|n| n.severity == severity).collect();
    if of_kind.is_empty() {
        return;
    }
    page.section(heading);
    while let Some(first) = of_kind.first().copied() {
        let same = |notice: &&Notice| notice.consequence == first.consequence;
        of_kind
            .iter()
            .copied()
            .filter(same)
            .for_each(|notice| page.line(1, &notice.path));
        page.line(2, &first.consequence);
        of_kind.retain(|notice| !same(notice));
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

fn bytes(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    if bytes.is_multiple_of(MIB) {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{bytes} bytes")
    }
}

struct Page(String);

impl Page {
    fn blank(&mut self) {
        self.0.push('\n');
    }

    fn heading(&mut self, text: &str) {
        self.line(0, text);
    }

    fn section(&mut self, heading: &str) {
        self.blank();
        self.heading(heading);
    }

    fn pair(&mut self, label: &str, text: &str) {
        self.line(1, &format!("{label:<16} {text}"));
    }

    /// Wraps `text`; a word that is longer than a line stays whole.
    fn line(&mut self, indent: usize, text: &str) {
        let margin = "    ".repeat(indent);
        let mut rest = text;
        let mut hanging = "";
        loop {
            let room = WIDTH.saturating_sub(margin.len() + hanging.len());
            let end = break_at(rest, room);
            let (now, later) = rest.split_at(end);
            let _ = writeln!(self.0, "{margin}{hanging}{}", now.trim_end());
            rest = later.trim_start();
            if rest.is_empty() {
                return;
            }
            hanging = "  ";
        }
    }
}

/// Where a line of at most `room` characters ends: before a space, or at the end.
fn break_at(text: &str, room: usize) -> usize {
    let Some((limit, _)) = text.char_indices().nth(room) else {
        return text.len();
    };
    let before = text.get(..=limit).and_then(|start| start.rfind(' '));
    let before = before.filter(|at| !text.get(..*at).unwrap_or_default().trim().is_empty());
    before.or_else(|| text.find(' ')).unwrap_or(text.len())
}
