//! Limits, one behaviour at a time and in any interleaving.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::account::Scope;

const NOW: UnixMillis = UnixMillis(1_000_000);

fn limit(scope: Scope) -> LimitRef {
    LimitRef::none(AccountId::new(scope, "x"))
}

fn tokens(input: u64, output: u64) -> TokenEstimate {
    TokenEstimate {
        input,
        output: Some(output),
    }
}

fn admit(
    limits: &mut Limits,
    refs: &[LimitRef],
    name: &str,
    now: UnixMillis,
) -> Result<(), LimitExceeded> {
    limits.admit(
        refs,
        tokens(10, 20),
        &Arc::from(name),
        now,
        now.plus(30_000),
    )
}

#[test]
fn requests_per_minute_are_counted_from_the_first() {
    let rpm = LimitRef {
        rpm: Some(2),
        ..limit(Scope::Key)
    };
    let refs = std::slice::from_ref(&rpm);
    let mut limits = Limits::default();
    assert!(admit(&mut limits, refs, "a", NOW).is_ok());
    assert!(admit(&mut limits, refs, "b", NOW.plus(20_000)).is_ok());
    let exceeded = admit(&mut limits, refs, "c", NOW.plus(20_001)).unwrap_err();
    assert_eq!(
        (exceeded.kind, exceeded.retry_after),
        (LimitKind::Requests, Some(40))
    );
    assert!(admit(&mut limits, refs, "c", NOW.plus(59_999)).is_err());
    assert!(admit(&mut limits, refs, "c", NOW.plus(60_000)).is_ok());
}

#[test]
fn tokens_are_taken_as_estimated_and_corrected_at_the_end() {
    let tpm = LimitRef {
        tpm: Some(60),
        ..limit(Scope::Key)
    };
    let refs = std::slice::from_ref(&tpm);
    let mut limits = Limits::default();
    assert!(admit(&mut limits, refs, "a", NOW).is_ok());
    assert!(admit(&mut limits, refs, "b", NOW).is_ok());
    assert_eq!(
        admit(&mut limits, refs, "c", NOW).unwrap_err().kind,
        LimitKind::Tokens
    );
    assert!(limits.finish("a", 5));
    assert_eq!(limits.tokens_this_minute(&tpm.account, NOW), 35);
    assert!(!limits.finish("a", 5), "once");
    assert!(limits.finish("b", 100));
    assert_eq!(limits.tokens_this_minute(&tpm.account, NOW), 105);
    assert!(admit(&mut limits, refs, "c", NOW).is_err());
}

#[test]
fn a_request_that_ends_in_a_later_minute_corrects_nothing_there() {
    let tpm = LimitRef {
        tpm: Some(60),
        ..limit(Scope::Key)
    };
    let refs = std::slice::from_ref(&tpm);
    let mut limits = Limits::default();
    let later = NOW.plus(70_000);
    admit(&mut limits, refs, "a", NOW).unwrap();
    admit(&mut limits, refs, "b", later).unwrap();
    limits.finish("a", 1_000);
    assert_eq!(limits.tokens_this_minute(&tpm.account, later), 30);
    assert_eq!(limits.in_flight(&tpm.account), 1);
}

#[test]
fn a_slot_is_given_back_once_however_the_request_ends() {
    let parallel = LimitRef {
        parallel: Some(1),
        ..limit(Scope::Key)
    };
    let refs = std::slice::from_ref(&parallel);
    let mut limits = Limits::default();
    admit(&mut limits, refs, "a", NOW).unwrap();
    assert_eq!(
        admit(&mut limits, refs, "b", NOW).unwrap_err().kind,
        LimitKind::InFlight
    );
    limits.finish("a", 0);
    limits.finish("a", 0);
    admit(&mut limits, refs, "b", NOW).unwrap();
    assert_eq!(limits.in_flight(&parallel.account), 1);
    assert_eq!(limits.expire(NOW.plus(29_999)), 0);
    assert_eq!(limits.expire(NOW.plus(30_000)), 1);
    assert_eq!(limits.in_flight(&parallel.account), 0);
    assert!(!limits.finish("b", 0));
}

#[test]
fn a_request_refused_by_one_limit_counts_in_none() {
    let user = LimitRef {
        rpm: Some(9),
        ..limit(Scope::User)
    };
    let key = LimitRef {
        parallel: Some(0),
        ..limit(Scope::Key)
    };
    let mut limits = Limits::default();
    assert!(admit(&mut limits, &[user.clone(), key], "a", NOW).is_err());
    let allowances = limits.allowances(&[user], NOW);
    assert_eq!(allowances.requests.map(|r| r.remaining), Some(9));
}

#[test]
fn a_retracted_request_was_never_there() {
    let rpm = LimitRef {
        rpm: Some(1),
        tpm: Some(30),
        ..limit(Scope::Key)
    };
    let refs = std::slice::from_ref(&rpm);
    let mut limits = Limits::default();
    admit(&mut limits, refs, "a", NOW).unwrap();
    assert!(limits.retract("a"));
    assert!(admit(&mut limits, refs, "b", NOW).is_ok());
}

#[test]
fn admitting_the_same_request_again_counts_once() {
    let rpm = LimitRef {
        rpm: Some(1),
        ..limit(Scope::Key)
    };
    let refs = std::slice::from_ref(&rpm);
    let mut limits = Limits::default();
    admit(&mut limits, refs, "a", NOW).unwrap();
    assert!(admit(&mut limits, refs, "a", NOW).is_ok());
    assert_eq!(limits.in_flight(&rpm.account), 1);
}

#[test]
fn an_output_larger_than_the_limit_passes_alone_and_a_prompt_never() {
    assert_eq!(tokens(10, 4_096).under(300), 300);
    assert_eq!(tokens(400, 5).under(300), 400);
    let unknown = TokenEstimate {
        input: 10,
        output: None,
    };
    assert_eq!(unknown.under(300), 85);
    assert_eq!(unknown.under(1_000_000), 1_034);
    let tpm = LimitRef {
        tpm: Some(300),
        ..limit(Scope::Key)
    };
    let mut limits = Limits::default();
    let exceeded = limits
        .admit(
            std::slice::from_ref(&tpm),
            tokens(400, 5),
            &Arc::from("a"),
            NOW,
            NOW,
        )
        .unwrap_err();
    assert_eq!(exceeded.retry_after, None);
    assert_eq!(
        exceeded.to_string(),
        "the request has 400 tokens, more than the 300 tokens per minute of this API key"
    );
}

#[test]
fn headers_state_the_tightest_limits() {
    let key = LimitRef {
        rpm: Some(10),
        tpm: Some(1_000),
        ..limit(Scope::Key)
    };
    let team = LimitRef {
        rpm: Some(5),
        ..limit(Scope::Team)
    };
    let mut limits = Limits::default();
    let refs = [key, team];
    admit(&mut limits, &refs, "a", NOW).unwrap();
    let headers = limits
        .allowances(&refs, NOW.plus(1_500))
        .headers(NOW.plus(1_500));
    let expected = [
        ("x-ratelimit-limit-requests", "5"),
        ("x-ratelimit-remaining-requests", "4"),
        ("x-ratelimit-reset-requests", "59s"),
        ("x-ratelimit-limit-tokens", "1000"),
        ("x-ratelimit-remaining-tokens", "970"),
        ("x-ratelimit-reset-tokens", "59s"),
    ];
    assert_eq!(
        headers,
        expected.map(|(name, value)| (name, value.to_owned()))
    );
    assert!(RateLimits::default().headers(NOW).is_empty());
}

#[test]
fn a_clock_that_is_set_back_begins_a_new_minute() {
    let rpm = LimitRef {
        rpm: Some(1),
        ..limit(Scope::Key)
    };
    let refs = std::slice::from_ref(&rpm);
    let mut limits = Limits::default();
    admit(&mut limits, refs, "a", NOW).unwrap();
    assert!(admit(&mut limits, refs, "b", UnixMillis(500_000)).is_ok());
}

#[test]
fn idle_accounts_are_forgotten() {
    let rpm = LimitRef {
        rpm: Some(1),
        ..limit(Scope::Key)
    };
    let refs = std::slice::from_ref(&rpm);
    let mut limits = Limits::default();
    admit(&mut limits, refs, "a", NOW).unwrap();
    limits.forget_idle(NOW.plus(120_000));
    assert_eq!(limits.in_flight(&rpm.account), 1);
    limits.finish("a", 0);
    limits.forget_idle(NOW.plus(120_000));
    assert_eq!(limits.in_flight(&rpm.account), 0);
}

proptest! {
    #[test]
    fn no_interleaving_goes_over_a_limit_or_leaves_a_slot(
        steps in proptest::collection::vec((0_u8..4, 0_u8..20, 0_u64..40_000), 1..150),
    ) {
        let all = LimitRef {
            rpm: Some(12), tpm: Some(200), parallel: Some(5), ..limit(Scope::Key)
        };
        let refs = std::slice::from_ref(&all);
        let mut limits = Limits::default();
        let mut now = NOW;
        for (step, request, number) in steps {
            let name = request.to_string();
            match step {
                0 | 1 => {
                    let _ = admit(&mut limits, refs, &name, now);
                }
                2 => {
                    limits.finish(&name, number % 31);
                }
                _ => {
                    now = now.plus(number);
                    limits.expire(now);
                }
            }
            prop_assert!(limits.in_flight(&all.account) <= 5);
            prop_assert!(limits.tokens_this_minute(&all.account, now) <= 200);
        }
        limits.expire(now.plus(30_000));
        prop_assert_eq!(limits.in_flight(&all.account), 0);
    }
}
