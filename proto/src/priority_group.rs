//! Messages of Envoy's `priority_group` cluster specifier, which is newer (1.40) than the published
//! Rust types: `envoy.extensions.router.cluster_specifiers.priority_group.v3`.

/// The specifier's configuration.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PriorityGroupClusterSpecifier {
    /// Attempt `n` goes to group `n`; attempts past the end stay on the last.
    #[prost(message, repeated, tag = "1")]
    pub priority_groups: Vec<PriorityGroup>,
    /// The dynamic metadata namespace whose [`PriorityGroupsOverride`] replaces the groups.
    #[prost(string, tag = "2")]
    pub override_metadata_namespace: String,
}

/// Typed dynamic metadata that replaces the groups for one request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PriorityGroupsOverride {
    /// The groups of this request.
    #[prost(message, repeated, tag = "1")]
    pub priority_groups: Vec<PriorityGroup>,
}

/// Clusters of which one is picked by weight.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PriorityGroup {
    /// For Envoy's log.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The clusters.
    #[prost(message, repeated, tag = "2")]
    pub clusters: Vec<ClusterWeight>,
}

/// A cluster of a group.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ClusterWeight {
    /// Its name.
    #[prost(string, tag = "1")]
    pub cluster_name: String,
    /// Its weight, a `google.protobuf.UInt32Value`.
    #[prost(message, optional, tag = "2")]
    pub weight: Option<u32>,
}

impl PriorityGroup {
    /// A group of one cluster.
    pub fn of(name: impl Into<String>, cluster: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            clusters: vec![ClusterWeight {
                cluster_name: cluster.into(),
                weight: Some(1),
            }],
        }
    }
}

const PACKAGE: &str = "envoy.extensions.router.cluster_specifiers.priority_group.v3";

impl prost::Name for PriorityGroupClusterSpecifier {
    const NAME: &'static str = "PriorityGroupClusterSpecifier";
    const PACKAGE: &'static str = PACKAGE;

    fn type_url() -> String {
        format!("type.googleapis.com/{}", Self::full_name())
    }
}

impl prost::Name for PriorityGroupsOverride {
    const NAME: &'static str = "PriorityGroupsOverride";
    const PACKAGE: &'static str = PACKAGE;

    fn type_url() -> String {
        format!("type.googleapis.com/{}", Self::full_name())
    }
}
