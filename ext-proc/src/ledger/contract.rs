//! What every backend of the ledger must do. Each function is one behaviour, given an empty ledger.

pub(crate) mod sums;

use dragoman_policy::NanoDollars;
use dragoman_proto::{Operation, Usage, UsageSource};

use super::{
    AttemptRow, Batch, Charge, Cursor, GroupBy, Identity, Keep, Ledger, Page, Record,
    RequestFilter, RequestRow, State, Target, Timing,
};

const DAY: u64 = 86_400_000;

/// A settled request `id` that began at `started_ms`, with two attempts, every column used.
pub(crate) fn record(id: &str, started_ms: u64) -> Record {
    let target = Target {
        deployment: Some("d2".into()),
        provider: Some("openai".into()),
        model: Some("gpt-4o".into()),
    };
    let charge = Charge {
        usage: Usage {
            input_tokens: 20,
            cached_tokens: 5,
            cache_write_tokens: 1,
            audio_input_tokens: 2,
            output_tokens: 10,
            reasoning_tokens: 3,
            audio_output_tokens: 4,
            images: 6,
            audio_ms: 7,
            characters: 8,
            image_output_tokens: 0,
        },
        source: UsageSource::Provider,
        cost: Some(NanoDollars::new(1_500)),
        price_version: Some("2026-11".into()),
    };
    let attempt = |attempt, state, charge| AttemptRow {
        request_id: id.into(),
        attempt,
        state,
        provider_status: (state == State::Complete).then_some(200),
        error_code: (state == State::Failed).then(|| "overloaded".into()),
        target: target.clone(),
        charge,
        started_ms: Some(started_ms + 3),
        duration_ms: Some(40),
        first_token_ms: (state == State::Complete).then_some(12),
        dropped: vec!["seed".into()],
    };
    let attempts = vec![
        attempt(1, State::Failed, Charge::nothing()),
        attempt(2, State::Complete, charge.clone()),
    ];
    Record {
        request: RequestRow {
            request_id: id.into(),
            identity: Identity {
                key_id: "key-1".into(),
                team_id: Some("team-1".into()),
                user_id: Some("user-1".into()),
                end_user: Some("ü \"quoted\"".into()),
            },
            alias: "smart".into(),
            operation: Operation::ChatCompletions,
            stream: true,
            state: State::Complete,
            status: Some(200),
            error_code: None,
            target,
            charge,
            timing: Timing {
                started_ms,
                duration_ms: 90,
                first_token_ms: Some(55),
            },
            attempts: 2,
            request_bytes: 220,
            response_bytes: 4_096,
            dropped: vec!["seed".into()],
            tags: vec!["a,b".into(), "c".into()],
        },
        attempts,
    }
}

/// A batch of which no row is for people.
pub(crate) fn keep_nothing(records: Vec<Record>) -> Batch {
    Batch::new(records).keeping(Keep {
        rows: false,
        failures: true,
    })
}

fn with(mut record: Record, change: impl FnOnce(&mut RequestRow)) -> Record {
    change(&mut record.request);
    record
}

async fn keep(ledger: &impl Ledger, records: Vec<Record>) {
    ledger.record(&Batch::new(records)).await.unwrap();
}

async fn stored(ledger: &impl Ledger, id: &str) -> RequestRow {
    ledger.request(id).await.unwrap().unwrap()
}

fn everything() -> RequestFilter {
    RequestFilter::default()
}

pub(crate) async fn a_recorded_request_reads_back(ledger: &impl Ledger) {
    let expected = record("a", 5);
    keep(ledger, vec![expected.clone()]).await;
    assert_eq!(stored(ledger, "a").await, expected.request);
}

pub(crate) async fn attempts_read_back_in_order(ledger: &impl Ledger) {
    let mut shuffled = record("a", 5);
    shuffled.attempts.reverse();
    keep(ledger, vec![shuffled]).await;
    assert_eq!(ledger.attempts("a").await.unwrap(), record("a", 5).attempts);
}

pub(crate) async fn an_unknown_request_is_none(ledger: &impl Ledger) {
    assert_eq!(ledger.request("nobody").await.unwrap(), None);
    assert_eq!(ledger.attempts("nobody").await.unwrap(), []);
}

pub(crate) async fn recording_twice_changes_nothing(ledger: &impl Ledger) {
    keep(ledger, vec![record("a", 5)]).await;
    keep(ledger, vec![record("a", 5)]).await;
    let totals = ledger.totals(&everything()).await.unwrap();
    assert_eq!((totals.requests, totals.cost.nanos()), (1, 1_500));
    assert_eq!(ledger.attempts("a").await.unwrap().len(), 2);
}

pub(crate) async fn a_later_report_replaces_an_earlier_one(ledger: &impl Ledger) {
    let unsettled = with(record("a", 5), |r| r.state = State::Unsettled);
    keep(ledger, vec![unsettled]).await;
    let mut late = with(record("a", 5), |r| r.tags = vec!["late".into()]);
    late.attempts.truncate(1);
    keep(ledger, vec![late.clone()]).await;
    assert_eq!(stored(ledger, "a").await, late.request);
    assert_eq!(ledger.attempts("a").await.unwrap(), late.attempts);
    let tags = ledger.sums(&[GroupBy::Tag], &everything()).await.unwrap();
    assert_eq!(tags.len(), 1);
}

pub(crate) async fn unsettled_never_replaces_what_is_settled(ledger: &impl Ledger) {
    let settled = record("a", 5);
    keep(ledger, vec![settled.clone()]).await;
    let mut expired = with(record("a", 5), |r| r.state = State::Unsettled);
    expired.attempts.clear();
    keep(ledger, vec![expired, record("b", 6)]).await;
    assert_eq!(stored(ledger, "a").await, settled.request);
    assert_eq!(ledger.attempts("a").await.unwrap().len(), 2);
    assert_eq!(stored(ledger, "b").await, record("b", 6).request);
}

pub(crate) async fn one_batch_may_name_a_request_twice(ledger: &impl Ledger) {
    let first = with(record("a", 5), |r| r.status = Some(500));
    let unsettled = with(record("a", 5), |r| r.state = State::Unsettled);
    keep(ledger, vec![first, record("a", 5), unsettled]).await;
    assert_eq!(stored(ledger, "a").await, record("a", 5).request);
}

pub(crate) async fn a_large_batch_is_recorded_whole(ledger: &impl Ledger) {
    let records = (0..300).map(|n| record(&format!("r{n}"), n)).collect();
    keep(ledger, records).await;
    assert_eq!(ledger.totals(&everything()).await.unwrap().requests, 300);
    assert_eq!(ledger.attempts("r299").await.unwrap().len(), 2);
}

pub(crate) async fn pages_walk_all_requests_once_newest_first(ledger: &impl Ledger) {
    // Two of them at the same time, so that the id decides.
    let records = [("a", 1), ("b", 2), ("c", 2), ("d", 3), ("e", 4)];
    keep(ledger, records.map(|(id, at)| record(id, at)).into()).await;
    let of_an_alias = RequestFilter {
        alias: Some("smart".into()),
        ..everything()
    };
    for filter in [everything(), of_an_alias] {
        let mut page = Page {
            size: 2,
            after: None,
        };
        let mut walked = Vec::new();
        loop {
            let rows = ledger.page(&filter, &page).await.unwrap();
            let Some(last) = rows.last() else { break };
            page.after = Some(Cursor {
                started_ms: last.timing.started_ms,
                request_id: last.request_id.clone(),
            });
            walked.extend(rows.into_iter().map(|row| row.request_id));
        }
        assert_eq!(walked, ["e", "d", "c", "b", "a"], "{filter:?}");
    }
}

pub(crate) async fn a_page_can_be_of_what_ended_lately(ledger: &impl Ledger) {
    // Each lasts 90 milliseconds.
    keep(ledger, vec![record("early", 5), record("late", 10)]).await;
    let lately = RequestFilter {
        ended_from_ms: Some(100),
        ..everything()
    };
    let page = Page {
        size: 9,
        after: None,
    };
    let rows = ledger.page(&lately, &page).await.unwrap();
    let ids: Vec<_> = rows.iter().map(|row| &*row.request_id).collect();
    assert_eq!(ids, ["late"]);
}

pub(crate) async fn positions_tell_what_a_sum_holds(ledger: &impl Ledger) {
    assert_eq!(ledger.position("a").await.unwrap(), None);
    keep(ledger, vec![record("a", 1), record("b", 2)]).await;
    let standing = ledger.standing(&everything()).await.unwrap();
    keep(ledger, vec![record("c", 1)]).await;
    assert_eq!(standing.totals.requests, 2);
    for (id, is_in) in [("a", true), ("b", true), ("c", false)] {
        let position = ledger.position(id).await.unwrap().unwrap();
        assert_eq!(position <= standing.position, is_in, "{id}");
    }
    let ids = ["c", "none", "a"].map(str::to_owned);
    assert_eq!(ledger.requests(&ids).await.unwrap().len(), 2);
}

pub(crate) async fn filters_narrow_the_page(ledger: &impl Ledger) {
    let other = with(record("other", 10), |r| {
        r.identity.key_id = "key-2".into();
        r.identity.user_id = Some("user-2".into());
        r.identity.team_id = None;
        r.alias = "fast".into();
    });
    keep(ledger, vec![record("one", 5), other]).await;
    let some = |text: &str| Some(text.to_owned());
    let filters = [
        RequestFilter {
            request_id: some("one"),
            ..everything()
        },
        RequestFilter {
            key_id: some("key-1"),
            ..everything()
        },
        RequestFilter {
            user_id: some("user-1"),
            ..everything()
        },
        RequestFilter {
            team_id: some("team-1"),
            ..everything()
        },
        RequestFilter {
            alias: some("smart"),
            ..everything()
        },
        RequestFilter {
            until_ms: Some(10),
            ..everything()
        },
        RequestFilter {
            from_ms: Some(5),
            until_ms: Some(6),
            ..everything()
        },
    ];
    let page = Page {
        size: 9,
        after: None,
    };
    for filter in filters {
        let rows = ledger.page(&filter, &page).await.unwrap();
        let ids: Vec<_> = rows.iter().map(|row| row.request_id.as_str()).collect();
        assert_eq!(ids, ["one"], "{filter:?}");
        assert_eq!(ledger.totals(&filter).await.unwrap().requests, 1);
    }
}

pub(crate) async fn totals_tell_unpriced_from_free(ledger: &impl Ledger) {
    let unpriced = with(record("unpriced", 1), |r| r.charge.cost = None);
    let free = with(record("free", 2), |r| {
        r.charge.cost = Some(NanoDollars::ZERO);
    });
    let failed = with(record("failed", 3), |r| r.state = State::Failed);
    keep(ledger, vec![unpriced, free, failed]).await;
    let totals = ledger.totals(&everything()).await.unwrap();
    assert_eq!(
        (totals.requests, totals.incomplete, totals.unpriced),
        (3, 1, 1)
    );
    assert_eq!(
        (totals.usage.input_tokens, totals.usage.output_tokens),
        (60, 30)
    );
    assert_eq!(totals.cost.nanos(), 1_500);
}

pub(crate) async fn totals_by_day_are_in_order(ledger: &impl Ledger) {
    let records = vec![record("b", DAY), record("a", DAY - 1), record("c", DAY + 1)];
    keep(ledger, records).await;
    let days = ledger.sums(&[GroupBy::Day], &everything()).await.unwrap();
    let days: Vec<_> = days
        .iter()
        .map(|day| (day.groups[0].as_deref(), day.totals.requests))
        .collect();
    assert_eq!(days, [(Some("1970-01-01"), 1), (Some("1970-01-02"), 2)]);
}

pub(crate) async fn a_request_counts_for_each_of_its_tags(ledger: &impl Ledger) {
    let only = with(record("only", 1), |r| r.tags = vec!["c".into(), "c".into()]);
    let none = with(record("none", 1), |r| r.tags.clear());
    keep(ledger, vec![record("both", 1), only, none]).await;
    let filter = RequestFilter {
        request_id: None,
        ..everything()
    };
    let tags = ledger.sums(&[GroupBy::Tag], &filter).await.unwrap();
    let tags: Vec<_> = tags
        .iter()
        .map(|tag| (tag.groups[0].as_deref(), tag.totals.requests))
        .collect();
    assert_eq!(tags, [(Some("c"), 2), (Some("a,b"), 1)]);
}

pub(crate) async fn groups_of_nobody_are_kept(ledger: &impl Ledger) {
    let nobody = with(record("nobody", 1), |r| {
        r.identity.team_id = None;
        r.target = Target::default();
        r.charge.cost = None;
    });
    keep(ledger, vec![record("a", 1), nobody]).await;
    for (group, name) in [
        (GroupBy::Team, "team-1"),
        (GroupBy::ProviderModel, "openai/gpt-4o"),
    ] {
        let groups = ledger.sums(&[group], &everything()).await.unwrap();
        let groups: Vec<_> = groups.iter().map(|g| g.groups[0].as_deref()).collect();
        assert_eq!(groups, [Some(name), None]);
    }
}

pub(crate) async fn a_fresh_ledger_is_healthy_and_empty(ledger: &impl Ledger) {
    ledger.health().await.unwrap();
    let totals = ledger.totals(&everything()).await.unwrap();
    assert_eq!((totals.requests, totals.cost), (0, NanoDollars::ZERO));
}
