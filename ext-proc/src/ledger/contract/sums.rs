//! The sums: exact by day and by part of a day, whatever becomes of the rows.

use super::*;
use crate::ledger::{Expired, Totals};

async fn totals(ledger: &impl Ledger, filter: &RequestFilter) -> Totals {
    ledger.totals(filter).await.unwrap()
}

fn between(from_ms: u64, until_ms: u64) -> RequestFilter {
    RequestFilter {
        from_ms: Some(from_ms),
        until_ms: Some(until_ms),
        ..everything()
    }
}

pub(crate) async fn sums_hold_every_unit(ledger: &impl Ledger) {
    keep(ledger, vec![record("a", 1), record("b", 2)]).await;
    let usage = record("a", 1).request.charge.usage;
    let doubled = Usage {
        input_tokens: 2 * usage.input_tokens,
        cached_tokens: 2 * usage.cached_tokens,
        cache_write_tokens: 2 * usage.cache_write_tokens,
        audio_input_tokens: 2 * usage.audio_input_tokens,
        output_tokens: 2 * usage.output_tokens,
        reasoning_tokens: 2 * usage.reasoning_tokens,
        audio_output_tokens: 2 * usage.audio_output_tokens,
        images: 2 * usage.images,
        audio_ms: 2 * usage.audio_ms,
        characters: 2 * usage.characters,
        image_output_tokens: 0,
    };
    assert_eq!(totals(ledger, &everything()).await.usage, doubled);
}

pub(crate) async fn a_part_of_a_day_is_exact(ledger: &impl Ledger) {
    let at = [DAY - 1, DAY, DAY + 5, 2 * DAY - 1, 2 * DAY, 2 * DAY + 7];
    let records = at.map(|at| record(&at.to_string(), at));
    keep(ledger, records.into()).await;
    for (from, until) in [
        (DAY - 1, DAY),
        (DAY, DAY + 5),
        (DAY, DAY + 6),
        (DAY + 1, 2 * DAY),
        (DAY + 5, 2 * DAY + 7),
        (0, 3 * DAY),
        (DAY + 6, DAY + 7),
    ] {
        let expected = at.iter().filter(|at| (from..until).contains(at)).count();
        let filter = between(from, until);
        let found = totals(ledger, &filter).await;
        assert_eq!(found.requests, expected as u64, "{filter:?}");
        assert_eq!(found.cost.nanos(), 1_500 * expected as u64, "{filter:?}");
        let by_key = ledger.sums(&[GroupBy::Key], &filter).await.unwrap();
        assert_eq!(by_key.len(), usize::from(expected > 0), "{filter:?}");
    }
}

pub(crate) async fn sums_are_told_apart_by_several_things_at_once(ledger: &impl Ledger) {
    let other = with(record("b", DAY), |r| r.identity.key_id = "key-2".into());
    let dear = with(record("c", DAY), |r| {
        r.charge.cost = Some(NanoDollars::new(9_000));
    });
    keep(ledger, vec![record("a", 1), other, dear]).await;
    let by = [GroupBy::Day, GroupBy::Key];
    let sums = ledger.sums(&by, &everything()).await.unwrap();
    let told: Vec<_> = sums
        .iter()
        .map(|sum| {
            let name = |at: usize| sum.groups[at].as_deref().unwrap();
            (name(0), name(1), sum.totals.cost.nanos())
        })
        .collect();
    let expected = [
        ("1970-01-01", "key-1", 1_500),
        ("1970-01-02", "key-1", 9_000),
        ("1970-01-02", "key-2", 1_500),
    ];
    assert_eq!(told, expected);
}

pub(crate) async fn customers_are_told_apart_however_long_their_names(ledger: &impl Ledger) {
    let long = "ü".repeat(5_000);
    let named = with(record("a", 1), |r| r.identity.end_user = Some(long.clone()));
    let nobody = with(record("b", 1), |r| {
        r.identity.end_user = None;
        r.charge.cost = None;
        r.tags = vec![long.clone()];
    });
    keep(ledger, vec![named, nobody]).await;
    let sums = ledger.sums(&[GroupBy::Customer], &everything()).await;
    let sums = sums.unwrap();
    let names: Vec<_> = sums.iter().map(|sum| sum.groups[0].as_deref()).collect();
    assert_eq!(names, [Some(long.as_str()), None]);
}

pub(crate) async fn tags_can_be_summed_for_one_key(ledger: &impl Ledger) {
    let other = with(record("b", 1), |r| r.identity.key_id = "key-2".into());
    keep(ledger, vec![record("a", 1), other]).await;
    let filter = RequestFilter {
        key_id: Some("key-2".into()),
        ..everything()
    };
    let tags = ledger.sums(&[GroupBy::Tag], &filter).await.unwrap();
    assert_eq!(tags.len(), 2);
    assert!(tags.iter().all(|tag| tag.totals.requests == 1));
}

pub(crate) async fn a_replaced_request_counts_as_what_it_is_now(ledger: &impl Ledger) {
    let unsettled = with(record("a", DAY + 5), |r| {
        r.state = State::Unsettled;
        r.charge.cost = Some(NanoDollars::new(9_000));
        r.identity.end_user = Some("late".into());
        r.tags = vec!["gone".into()];
    });
    keep(ledger, vec![unsettled]).await;
    keep(ledger, vec![record("a", 5)]).await;
    let found = totals(ledger, &everything()).await;
    assert_eq!((found.requests, found.incomplete), (1, 0));
    assert_eq!(found.cost.nanos(), 1_500);
    for by in [GroupBy::Day, GroupBy::Customer] {
        assert_eq!(ledger.sums(&[by], &everything()).await.unwrap().len(), 1);
    }
    let tags = ledger.sums(&[GroupBy::Tag], &everything()).await.unwrap();
    let tags: Vec<_> = tags.iter().map(|tag| tag.groups[0].as_deref()).collect();
    assert_eq!(tags, [Some("a,b"), Some("c")]);
}

pub(crate) async fn without_spend_logs_there_are_sums_and_no_rows(ledger: &impl Ledger) {
    let records = vec![record("a", 5), record("b", 6)];
    ledger.record(&keep_nothing(records)).await.unwrap();
    let listed = RequestFilter {
        listed_only: true,
        ..everything()
    };
    let page = Page {
        size: 9,
        after: None,
    };
    assert_eq!(ledger.page(&listed, &page).await.unwrap(), []);
    assert_eq!(ledger.attempts("a").await.unwrap(), []);
    assert_eq!(totals(ledger, &everything()).await.requests, 2);
}

pub(crate) async fn without_spend_logs_a_request_still_counts_once(ledger: &impl Ledger) {
    for _ in 0..2 {
        let batch = keep_nothing(vec![record("a", 5)]);
        ledger.record(&batch).await.unwrap();
    }
    assert_eq!(totals(ledger, &everything()).await.requests, 1);
}

pub(crate) async fn without_error_logs_failures_are_only_summed(ledger: &impl Ledger) {
    let ended = |id, state| with(record(id, 5), |r| r.state = state);
    let records = vec![
        ended("complete", State::Complete),
        ended("cancelled", State::Cancelled),
        ended("failed", State::Failed),
        ended("broken", State::Broken),
        ended("rejected", State::Rejected),
    ];
    let keep = Keep {
        rows: true,
        failures: false,
    };
    let batch = Batch::new(records).keeping(keep);
    ledger.record(&batch).await.unwrap();
    let listed = RequestFilter {
        listed_only: true,
        ..everything()
    };
    let page = Page {
        size: 9,
        after: None,
    };
    let rows = ledger.page(&listed, &page).await.unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row.request_id.as_str()).collect();
    assert_eq!(ids, ["complete", "cancelled"]);
    let found = totals(ledger, &everything()).await;
    assert_eq!((found.requests, found.incomplete), (5, 4));
}

pub(crate) async fn sums_outlive_their_requests(ledger: &impl Ledger) {
    let records = vec![record("old", 5), record("older", 1), record("new", DAY)];
    keep(ledger, records).await;
    assert_eq!(ledger.forget(Expired::All, DAY, 1).await.unwrap(), 1);
    assert_eq!(ledger.request("older").await.unwrap(), None);
    assert_eq!(ledger.forget(Expired::All, DAY, 9).await.unwrap(), 1);
    assert_eq!(ledger.forget(Expired::All, DAY, 9).await.unwrap(), 0);
    assert_eq!(ledger.attempts("old").await.unwrap(), []);
    assert!(ledger.request("new").await.unwrap().is_some());
    assert_eq!(totals(ledger, &everything()).await.requests, 3);
    // Part of a day whose requests are forgotten is the whole day.
    assert_eq!(totals(ledger, &between(3, DAY)).await.requests, 2);
}

pub(crate) async fn absurd_numbers_of_a_provider_hold_nothing_up(ledger: &impl Ledger) {
    let absurd = |id: &str| {
        with(record(id, 5), |r| {
            r.charge.usage.input_tokens = u64::MAX;
            r.charge.usage.images = u64::MAX;
            r.charge.cost = Some(NanoDollars::MAX);
        })
    };
    keep(ledger, vec![absurd("a"), absurd("b")]).await;
    keep(ledger, vec![absurd("c"), record("d", 5)]).await;
    assert_eq!(totals(ledger, &everything()).await.requests, 4);
    assert_eq!(totals(ledger, &between(3, DAY)).await.requests, 4);
    assert_eq!(stored(ledger, "d").await, record("d", 5).request);
}

pub(crate) async fn no_text_of_a_client_is_an_error(ledger: &impl Ledger) {
    let odd = "a\0'; DROP TABLE spend; --";
    let kept = with(record("a", 5), |r| {
        r.alias = odd.into();
        r.identity.end_user = Some(odd.into());
        r.tags = vec![odd.into(), String::new()];
    });
    keep(ledger, vec![kept]).await;
    let filter = RequestFilter {
        alias: Some(odd.into()),
        ..everything()
    };
    let page = Page {
        size: 9,
        after: None,
    };
    assert_eq!(ledger.page(&filter, &page).await.unwrap().len(), 1);
    assert_eq!(totals(ledger, &filter).await.requests, 1);
    let nobody = RequestFilter {
        request_id: Some(odd.into()),
        ..everything()
    };
    assert_eq!(ledger.page(&nobody, &page).await.unwrap(), []);
    let tags = ledger.sums(&[GroupBy::Tag], &everything()).await.unwrap();
    assert_eq!(tags.len(), 1);
}
