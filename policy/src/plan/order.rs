//! The order of an alias's deployments under a strategy.

use super::{Candidate, DeploymentView, Strategy};

/// `candidates` by `order` (LiteLLM's, lower first), then by the strategy, ties by weighted chance.
pub(super) fn ordered<'a>(
    strategy: Strategy,
    candidates: Vec<&'a Candidate>,
    view: &impl DeploymentView,
    random: &mut impl FnMut() -> u64,
) -> Vec<&'a Candidate> {
    if candidates.len() < 2 {
        return candidates;
    }
    let mut ordered = shuffled(candidates, random);
    match strategy {
        Strategy::SimpleShuffle => {}
        Strategy::LatencyBased => ordered.sort_by_key(|c| view.latency(&c.id)),
        Strategy::LeastBusy => ordered.sort_by_key(|c| view.in_flight(&c.id)),
        Strategy::UsageBased => ordered.sort_by_key(|c| view.tokens_this_minute(&c.id)),
        Strategy::CostBased => ordered.sort_by_key(|c| {
            let price = view.token_price(&c.id);
            (price.is_none(), price)
        }),
    }
    ordered.sort_by_key(|c| c.order);
    ordered
}

/// By chance without replacement: each place is drawn in proportion to the weights that are left.
/// Those of weight zero come last.
fn shuffled<'a>(
    candidates: Vec<&'a Candidate>,
    random: &mut impl FnMut() -> u64,
) -> Vec<&'a Candidate> {
    let measure = Measure::of(&candidates);
    let mut left: Vec<(&Candidate, u64)> = candidates
        .into_iter()
        .map(|candidate| (candidate, measure.weight(candidate)))
        .collect();
    let mut drawn = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let total = left
            .iter()
            .fold(0_u64, |sum, (_, w)| sum.saturating_add(*w));
        let at = if total == 0 {
            index_within(random(), left.len())
        } else {
            let mut point = random() % total;
            left.iter()
                .position(|(_, weight)| {
                    let here = point < *weight;
                    point = point.saturating_sub(*weight);
                    here
                })
                .unwrap_or_default()
        };
        drawn.push(left.remove(at).0);
    }
    drawn
}

fn index_within(random: u64, len: usize) -> usize {
    let len = u64::try_from(len).unwrap_or(u64::MAX);
    usize::try_from(random % len).unwrap_or_default()
}

/// What weighs: as in LiteLLM, the first of `weight`, `rpm` and `tpm` that any deployment sets. A
/// deployment without the `weight` that others have weighs 1; one without their `rpm` or `tpm`
/// weighs nothing and serves when the others cannot.
enum Measure {
    Weight,
    Rpm,
    Tpm,
}

impl Measure {
    fn of(candidates: &[&Candidate]) -> Self {
        if candidates.iter().any(|c| c.weight.is_some()) {
            Self::Weight
        } else if candidates.iter().any(|c| c.rpm.is_some()) {
            Self::Rpm
        } else if candidates.iter().any(|c| c.tpm.is_some()) {
            Self::Tpm
        } else {
            Self::Weight
        }
    }

    fn weight(&self, candidate: &Candidate) -> u64 {
        match self {
            Self::Weight => candidate.weight.map_or(1, u64::from),
            Self::Rpm => candidate.rpm.unwrap_or(0),
            Self::Tpm => candidate.tpm.unwrap_or(0),
        }
    }
}
