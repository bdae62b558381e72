//! How much of what budgets have left one request may hold, when others want some of it too.
//!
//! A reservation is the most that a request can cost, so a few requests with a generous output cap
//! hold a small budget while hardly any of it is spent. Whoever comes next is neither refused (the
//! money is there) nor let through unpaid: it waits a moment for the others to settle, and takes no
//! more than its share of what they give back.

use super::{BudgetState, Refused};
use crate::money::NanoDollars;
use crate::prices::{Quote, Unpriced};
use crate::time::UnixMillis;

/// A request whose client sets no maximum holds at most this part of a budget …
const UNASKED_PART: u64 = 4;
/// … and this part is what an answer is taken to need as long as nothing is known.
const UNKNOWN_PART: u64 = 8;

/// What goes into an offer besides the budgets and the request's price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The smallest output cap that is worth sending the request with.
    pub min_output_tokens: u64,
    /// Whether the client itself set the output cap.
    pub asked: bool,
    /// Output tokens that answers of this model usually have, when known.
    pub usual_output: Option<u64>,
    /// How many requests wait for these budgets, this one included; at least 1.
    pub waiting: u64,
    /// Whether the request has waited as long as it may.
    pub last: bool,
    /// The time.
    pub now: UnixMillis,
}

/// What the budgets have to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// Reserve `amount`, and send the request with this output cap.
    Take {
        /// Output tokens per choice.
        output_tokens: u64,
        /// The most that it can cost so.
        amount: NanoDollars,
    },
    /// There will be room when others have settled.
    Wait(Refused),
    /// There will be none in this window.
    Refuse(Refused),
}

/// What the budgets in `states` offer to a request.
pub fn offer(states: &[BudgetState], quote: &Quote, terms: &Terms) -> Result<Offer, Unpriced> {
    let strict: Vec<&BudgetState> = states.iter().filter(|s| s.budget.is_strict()).collect();
    let Some((&first, others)) = strict.split_first() else {
        // Budgets that never refuse are no reason to ask for prices, and none hold nothing.
        let most = quote.most().unwrap_or(NanoDollars::ZERO);
        let nothing = states.is_empty();
        return Ok(Offer::Take {
            output_tokens: quote.output_tokens(),
            amount: if nothing { NanoDollars::ZERO } else { most },
        });
    };
    let tightest = |left: fn(&BudgetState) -> NanoDollars| {
        let tighter = |a, b| if left(b) < left(a) { b } else { a };
        others.iter().copied().fold(first, tighter)
    };
    let floor = terms.min_output_tokens.min(quote.output_tokens());
    let smallest = quote.most_with(floor)?;
    let by_spending = tightest(BudgetState::unspent);
    if smallest > by_spending.unspent() {
        return Ok(Offer::Refuse(by_spending.refuse(smallest, terms.now)));
    }
    let left = Left {
        room: tightest(BudgetState::room).room(),
        unspent: by_spending.unspent(),
        limit: tightest(|state| state.budget.limit).budget.limit,
    };
    let output_tokens = left.output_tokens(quote, terms, floor)?;
    let amount = quote.most_with(output_tokens)?;
    if amount <= left.room {
        return Ok(Offer::Take {
            output_tokens,
            amount,
        });
    }
    let by_reservations = tightest(BudgetState::room);
    Ok(Offer::Wait(by_reservations.refuse(smallest, terms.now)))
}

/// What the tightest of several budgets have.
struct Left {
    room: NanoDollars,
    unspent: NanoDollars,
    limit: NanoDollars,
}

impl Left {
    /// The output cap that is right for a request, whether or not there is room for it now.
    fn output_tokens(&self, quote: &Quote, terms: &Terms, floor: u64) -> Result<u64, Unpriced> {
        let within = |amount| Ok(quote.output_within(amount)?.unwrap_or(0));
        let most = quote.output_tokens();
        let possible = within(self.unspent)?.max(floor);
        let needed = match terms.usual_output {
            Some(usual) => usual.saturating_add(usual / 4).saturating_add(1),
            None => within(part(self.limit, UNKNOWN_PART))?,
        };
        let needed = needed.clamp(floor, possible).min(most);
        let wanted = if terms.asked {
            most
        } else {
            most.min(within(part(self.limit, UNASKED_PART))?.max(needed))
        };
        let fitting = within(self.room)?;
        if terms.last && fitting < needed {
            return Ok(fitting.clamp(floor, wanted));
        }
        let share = within(part(self.room, terms.waiting))?;
        Ok(share.max(needed).min(wanted))
    }
}

fn part(amount: NanoDollars, of: u64) -> NanoDollars {
    NanoDollars::new(amount.nanos() / of.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{AccountId, Scope};
    use crate::budget::{Balance, BudgetRef};
    use crate::money::PicoPrice;
    use crate::prices::{Ceiling, Price};
    use crate::window::Window;

    /// A budget of 1,000 output tokens at 1,000 picos, so a token is a nano-dollar.
    fn state(spent: u64, reserved: u64) -> BudgetState {
        let account = AccountId::new(Scope::Key, "k");
        BudgetState {
            budget: BudgetRef::strict(account, Window::FOREVER, NanoDollars::new(1_000)),
            balance: Balance {
                spent: NanoDollars::new(spent),
                reserved: NanoDollars::new(reserved),
            },
        }
    }

    fn quote(output_tokens: u64) -> Quote {
        let price = Price::per_token(PicoPrice(1_000), PicoPrice(1_000));
        let ceiling = Ceiling {
            input_tokens: 10,
            output_tokens,
            ..Ceiling::default()
        };
        Quote::new(vec![(price, ceiling)])
    }

    fn terms() -> Terms {
        Terms {
            min_output_tokens: 5,
            asked: true,
            usual_output: None,
            waiting: 1,
            last: false,
            now: UnixMillis(1),
        }
    }

    fn cap(state: &BudgetState, output: u64, terms: &Terms) -> Option<u64> {
        match offer(std::slice::from_ref(state), &quote(output), terms).unwrap() {
            Offer::Take { output_tokens, .. } => Some(output_tokens),
            Offer::Wait(refused) => {
                assert!(refused.is_contended());
                None
            }
            Offer::Refuse(refused) => panic!("{refused}"),
        }
    }

    #[test]
    fn a_client_that_asks_gets_what_fits() {
        assert_eq!(cap(&state(0, 0), 900, &terms()), Some(900));
        assert_eq!(cap(&state(0, 300), 900, &terms()), Some(690));
    }

    #[test]
    fn a_client_that_does_not_ask_leaves_room_for_others() {
        let terms = Terms {
            asked: false,
            ..terms()
        };
        assert_eq!(cap(&state(0, 0), 900, &terms), Some(240));
    }

    #[test]
    fn a_request_waits_rather_than_take_less_than_answers_need() {
        let usual = Terms {
            usual_output: Some(100),
            ..terms()
        };
        assert_eq!(cap(&state(0, 900), 900, &usual), None);
        assert_eq!(cap(&state(0, 850), 900, &usual), Some(140));
        let last = Terms {
            last: true,
            ..usual
        };
        assert_eq!(cap(&state(0, 900), 900, &last), Some(90));
    }

    #[test]
    fn those_who_wait_share_what_comes_back() {
        let crowd = Terms {
            usual_output: Some(40),
            waiting: 10,
            ..terms()
        };
        assert_eq!(cap(&state(0, 0), 900, &crowd), Some(90));
        assert_eq!(cap(&state(800, 0), 900, &crowd), Some(51));
    }

    #[test]
    fn the_last_of_a_budget_goes_down_to_the_floor_and_then_is_refused() {
        assert_eq!(cap(&state(985, 0), 900, &terms()), Some(5));
        let offered = offer(&[state(986, 0)], &quote(900), &terms()).unwrap();
        assert!(matches!(offered, Offer::Refuse(refused) if !refused.is_contended()));
    }

    #[test]
    fn only_a_budget_that_refuses_needs_a_price() {
        let mut trial = state(0, 0);
        trial.budget.dry_run = true;
        let unpriced = Quote::new(vec![(Price::default(), Ceiling::default())]);
        assert!(offer(&[trial], &unpriced, &terms()).is_ok());
        assert!(offer(&[state(0, 0)], &unpriced, &terms()).is_err());
    }
}
