//! LiteLLM's rules, one by one.

use super::*;

const START: UnixMillis = UnixMillis(1_763_600_040_000);

fn failure(status: u16) -> Verdict {
    Verdict::Failure {
        status: Some(status),
        retry_after_ms: None,
    }
}

fn after(rules: CooldownRules, group: usize, verdicts: &[Verdict]) -> Option<u64> {
    let mut cooldowns = Cooldowns::new(rules);
    let deployment = Arc::from("d");
    for verdict in verdicts {
        cooldowns.record(&deployment, group, *verdict, START);
    }
    cooldowns.cooling_for("d", START)
}

fn by_default(group: usize, verdicts: &[Verdict]) -> Option<u64> {
    after(CooldownRules::default(), group, verdicts)
}

#[test]
fn a_busy_deployment_rests_when_there_is_another() {
    assert_eq!(by_default(2, &[failure(429)]), Some(DEFAULT_COOLDOWN_MS));
    assert_eq!(by_default(1, &[failure(429)]), None);
}

#[test]
fn what_trying_again_does_not_mend_rests_at_once_where_there_is_another() {
    for status in [401, 404] {
        assert_eq!(by_default(2, &[failure(status)]), Some(DEFAULT_COOLDOWN_MS));
        assert_eq!(
            by_default(1, &[failure(status)]),
            None,
            "{status} would hide its cause"
        );
    }
}

#[test]
fn the_request_s_own_fault_is_not_the_deployment_s() {
    for status in [400, 403, 413, 422] {
        assert_eq!(by_default(2, &[failure(status); 20]), None, "{status}");
    }
}

#[test]
fn failing_more_than_half_of_five_rests_a_deployment_that_has_others() {
    let no_answer = Verdict::Failure {
        status: None,
        retry_after_ms: None,
    };
    assert_eq!(by_default(2, &[no_answer; 4]), None);
    assert!(by_default(2, &[no_answer; 5]).is_some());
    let half = [
        Verdict::Success,
        failure(500),
        Verdict::Success,
        failure(500),
    ];
    assert_eq!(by_default(2, &half.repeat(3)), None);
}

#[test]
fn a_lone_deployment_rests_only_after_a_thousand_failures() {
    assert_eq!(by_default(1, &[failure(500); 12]), None);
    assert!(by_default(1, &vec![failure(500); 1_000]).is_some());
}

#[test]
fn allowed_fails_replaces_the_default_rules() {
    let rules = CooldownRules {
        allowed_fails: Some(2),
        cooldown_ms: 30_000,
        ..CooldownRules::default()
    };
    assert_eq!(after(rules, 1, &[failure(401); 2]), None);
    assert_eq!(after(rules, 1, &[failure(500); 3]), Some(30_000));
}

#[test]
fn a_provider_s_retry_after_is_kept_within_reason() {
    let asked = |ms| {
        by_default(
            2,
            &[Verdict::Failure {
                status: Some(429),
                retry_after_ms: Some(ms),
            }],
        )
    };
    assert_eq!(asked(12_000), Some(12_000));
    assert_eq!(asked(86_400_000), Some(60_000));
    assert_eq!(asked(0), Some(DEFAULT_COOLDOWN_MS));
}

#[test]
fn a_rest_ends_and_counts_start_anew_each_minute() {
    let mut cooldowns = Cooldowns::new(CooldownRules {
        allowed_fails: Some(1),
        ..CooldownRules::default()
    });
    let deployment = Arc::from("d");
    assert!(!cooldowns.record(&deployment, 1, failure(500), START));
    assert!(cooldowns.record(&deployment, 1, failure(500), START));
    assert!(
        !cooldowns.record(&deployment, 1, failure(500), START.plus(1)),
        "already"
    );
    assert_eq!(cooldowns.cooling_for("d", START.plus(5_000)), Some(1));
    assert_eq!(cooldowns.cooling_for("d", START.plus(5_001)), None);
    let next = START.plus(WINDOW_MS);
    assert!(!cooldowns.record(&deployment, 1, failure(500), next));
    assert_eq!(cooldowns.cooling_for("d", next), None);
}

#[test]
fn disabled_cooldowns_never_rest_anything() {
    let rules = CooldownRules {
        disabled: true,
        ..CooldownRules::default()
    };
    assert_eq!(after(rules, 2, &[failure(429); 50]), None);
}
