//! Which deployment a cluster belongs to.

const PREFIX: &str = "dragoman/";

/// The deployment's id in the name of its cluster, as `dragoman_envoy::cluster_name` makes it;
/// `None` for other clusters, such as that of the service itself.
pub fn deployment_of(cluster: &str) -> Option<&str> {
    cluster.strip_prefix(PREFIX).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_found_again_in_its_cluster_s_name() {
        let cluster = dragoman_envoy::cluster_name("gpt-4o.a1");
        assert_eq!(deployment_of(&cluster), Some("gpt-4o.a1"));
    }

    #[test]
    fn other_clusters_are_no_deployments() {
        for cluster in ["", "dragoman.http", "dragoman/", "openai"] {
            assert_eq!(deployment_of(cluster), None, "{cluster}");
        }
    }
}
