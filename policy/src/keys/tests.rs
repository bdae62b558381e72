//! Credentials, hashes and what a key may use.

use std::collections::HashMap;

use super::*;

fn credential(headers: &[(&str, &str)]) -> Result<String, Refusal> {
    let headers: HashMap<_, _> = headers.iter().copied().collect();
    Credential::from_headers(|name| headers.get(name).copied()).map(|c| c.secret().to_owned())
}

#[test]
fn a_key_is_found_in_every_header_that_litellm_reads() {
    for header in [
        ("authorization", "Bearer sk-1"),
        ("authorization", "bearer  sk-1 "),
        ("x-api-key", "sk-1"),
        ("api-key", "sk-1"),
        ("x-goog-api-key", "sk-1"),
        ("x-litellm-api-key", "Bearer sk-1"),
        ("x-litellm-api-key", "sk-1"),
    ] {
        assert_eq!(credential(&[header]), Ok("sk-1".to_owned()), "{header:?}");
    }
}

#[test]
fn no_key_is_told_from_a_malformed_one() {
    assert_eq!(credential(&[]), Err(Refusal::NoKey));
    assert_eq!(credential(&[("x-api-key", " ")]), Err(Refusal::NoKey));
    for value in ["sk-1", "Basic c2stMQ==", "Bearer ", "Bearer a b"] {
        assert_eq!(
            credential(&[("authorization", value)]),
            Err(Refusal::MalformedKey),
            "{value}"
        );
    }
}

#[test]
fn a_header_that_holds_no_key_gives_way_to_one_that_does() {
    let headers = [("authorization", "Basic c2stMQ=="), ("x-api-key", "sk-2")];
    assert_eq!(credential(&headers), Ok("sk-2".to_owned()));
}

#[test]
fn a_key_s_hash_is_litellm_s_token() {
    let hash = KeyHash::of("sk-doesnotexist");
    assert!(hash.to_hex().starts_with("b318b10f"));
    assert_eq!(KeyHash::parse(&hash.to_hex()), Some(hash));
    assert_eq!(KeyHash::parse("b318"), None);
    assert_ne!(hash, KeyHash::of("sk-other"));
}

#[test]
fn a_credential_does_not_show_in_logs() {
    let shown = format!("{:?}", Credential("sk-secret".to_owned()));
    assert!(!shown.contains("secret"));
}

fn access(models: &[&str]) -> ModelAccess {
    let team = ModelAccess::from_list(&["team-model"], &ModelAccess::All);
    ModelAccess::from_list(models, &team)
}

#[test]
fn a_models_list_says_what_may_be_used() {
    for (models, model, allowed) in [
        (&[][..], "anything", true),
        (&["*"], "anything", true),
        (&["all-proxy-models"], "anything", true),
        (&["no-default-models"], "anything", false),
        (&["gpt-4o"], "gpt-4o", true),
        (&["gpt-4o"], "gpt-4o-mini", false),
        (&["openai/*"], "openai/gpt-4o", true),
        (&["openai/*"], "groq/llama", false),
        (&["all-team-models"], "team-model", true),
        (&["all-team-models"], "other", false),
    ] {
        assert_eq!(access(models).allows(model), allowed, "{models:?} {model}");
    }
}

#[test]
fn a_model_outside_the_list_is_refused() {
    let principal = Principal {
        models: access(&["gpt-4o"]),
        ..Principal::master()
    };
    assert_eq!(principal.authorize("gpt-4o"), Ok(()));
    assert!(matches!(
        principal.authorize("o1"),
        Err(Refusal::ModelNotAllowed { .. })
    ));
}

#[test]
fn a_key_may_use_what_both_it_and_its_team_may() {
    let team = ModelAccess::from_list(&["openai/*", "smart"], &ModelAccess::All);
    let key = ModelAccess::from_list(&["*-mini", "smart", "fast"], &team);
    let both = key.and(team);
    for (model, allowed) in [
        ("smart", true),
        ("openai/o-mini", true),
        ("fast", false),
        ("groq/o-mini", false),
        ("openai/o", false),
    ] {
        assert_eq!(both.allows(model), allowed, "{model}");
    }
}

#[test]
fn a_name_of_the_key_s_own_may_be_used_when_its_target_may() {
    let principal = Principal {
        models: access(&["gpt-4o"]),
        aliases: [("mistral".to_owned(), "gpt-4o".to_owned())].into(),
        ..Principal::master()
    };
    assert_eq!(principal.authorize("mistral"), Ok(()));
    assert_eq!(principal.resolve("mistral"), "gpt-4o");
    assert!(principal.authorize("mixtral").is_err());
}
