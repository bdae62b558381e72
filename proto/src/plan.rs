//! The plan: which cluster each attempt goes to, in order.

use crate::priority_group::{PriorityGroup, PriorityGroupsOverride};

/// An ordered list of clusters, one per attempt. Envoy's `priority_group` cluster specifier walks
/// it; attempts past the end stay on the last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Cluster names; attempt `n` (from 1) goes to `clusters[n - 1]`.
    pub clusters: Vec<String>,
}

impl Plan {
    /// How many retries the router may make.
    pub fn retries(&self) -> usize {
        self.clusters.len().saturating_sub(1)
    }

    /// Whether every attempt goes to the same deployment.
    pub fn is_single(&self) -> bool {
        self.clusters.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// The form that Envoy executes.
    pub fn to_override(&self) -> PriorityGroupsOverride {
        let clusters = self.clusters.iter().enumerate();
        let groups =
            clusters.map(|(nth, cluster)| PriorityGroup::of((nth + 1).to_string(), cluster));
        PriorityGroupsOverride {
            priority_groups: groups.collect(),
        }
    }
}
