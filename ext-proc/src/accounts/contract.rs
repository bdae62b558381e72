//! What every backend of accounts must do. Each function is one behaviour, given a bench that makes
//! accounts which begin with nothing.

use std::sync::Arc;

use tonic::async_trait;

use super::{Accounts, Past, WaitOptions};

pub(crate) mod budgets;
pub(crate) mod clock;
pub(crate) mod crowd;
pub(crate) mod limits;
pub(crate) mod scene;

/// Makes accounts. Those of one bench share what they know where the backend is shared.
#[async_trait]
pub(crate) trait Bench: Send + Sync {
    async fn accounts(&self, options: WaitOptions, past: Arc<dyn Past>) -> Arc<dyn Accounts>;
}

/// The tests of a backend: `$bench` is an async expression of a fresh `Option<impl Bench>`, `None`
/// where the backend cannot be had on this machine.
macro_rules! contract {
    ($bench:expr; $($module:ident: $($behaviour:ident),+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                if let Some(bench) = $bench.await {
                    crate::accounts::contract::$module::$behaviour(&bench).await;
                }
            }
        )+)+
    };
    ($bench:expr) => {
        crate::accounts::contract::contract! { $bench;
            budgets: every_budget_is_reserved_or_none,
                a_request_that_comes_twice_holds_once,
                a_request_is_settled_once_however_often_it_is_reported,
                a_released_request_costs_nothing,
                an_unknown_cost_is_what_was_held,
                a_provider_is_charged_for_its_own_share,
                what_was_not_reserved_is_charged_only_into_the_room_there_is,
                a_lost_reservation_is_charged_once,
                what_nobody_settles_is_charged_in_full_and_told_once,
                a_request_that_is_under_way_does_not_expire,
                a_report_after_the_expiry_corrects_the_charge,
                a_settlement_goes_to_the_window_of_its_admission,
                a_past_counts,
                what_the_past_knows_is_not_charged_again,
                an_operator_sets_what_is_spent,
                a_soft_limit_is_crossed_once,
                a_trial_and_a_nearly_spent_budget_warn,
                an_amount_beyond_what_doubles_hold_is_exact;
            clock: a_budget_begins_anew_at_the_boundary_and_not_before,
                a_reservation_over_the_boundary_settles_where_it_was_made,
                a_clock_that_is_set_back_and_forth_resets_nothing,
                a_clock_that_leaps_and_returns_resets_nothing,
                what_was_lost_before_the_clock_was_set_back_is_not_held_for_long,
                a_minute_is_over_soon_whatever_the_clock_does,
                a_machine_that_slept_corrects_what_it_charged_in_full;
            limits: requests_per_minute_pass_and_come_back,
                tokens_per_minute_are_estimated_and_corrected,
                slots_come_back_however_a_request_ends,
                a_limit_that_refuses_leaves_budgets_alone,
                a_budget_that_refuses_leaves_limits_alone;
            crowd: two_hundred_at_once_share_a_budget_for_twenty,
                two_hundred_without_a_maximum_share_a_budget_for_twenty,
                a_contended_request_waits_for_the_other_to_settle,
                waiting_has_an_end,
                who_leaves_the_line_holds_nothing,
                an_exhausted_budget_refuses_at_once;
        }
    };
}
pub(crate) use contract;
