//! Routes: operations walk their plan, everything else goes to the service.

use std::collections::HashMap;
use std::time::Duration;

use dragoman_proto::names;
use dragoman_proto::priority_group::{PriorityGroup, PriorityGroupClusterSpecifier};
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::retry_policy::{
    RateLimitedRetryBackOff, ResetHeader, ResetHeaderFormat, RetryBackOff,
};
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::ClusterSpecifier;
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    ClusterSpecifierPlugin, HeaderMatcher, RetryPolicy, Route, RouteAction, RouteConfiguration,
    RouteMatch, VirtualHost,
};
use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::{
    ExtProcPerRoute, ext_proc_per_route::Override,
};
use envoy_types::pb::google::protobuf::{UInt32Value, UInt64Value};
use envoy_types::util::pack_any;

use crate::{SERVICE_HTTP_CLUSTER, Topology, any, filters};

/// Name of the one route configuration.
pub(crate) const ROUTES: &str = "dragoman";
/// Where a request goes for which the service gave no plan.
pub(crate) const NOWHERE: &str = "dragoman.nowhere";

/// Between attempts at different deployments there is no reason to wait.
const FAILOVER_PAUSE: Duration = Duration::from_millis(5);
/// Between attempts at the same deployment: doubling from here, unless it says `retry-after`.
const SAME_DEPLOYMENT_PAUSE: Duration = Duration::from_millis(500);
const SAME_DEPLOYMENT_PAUSE_MAX: Duration = Duration::from_secs(8);
/// A `retry-after` beyond this is not waited for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// The endpoints that the service answers itself.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(60);

/// The route configuration.
pub(crate) fn routes(topology: &Topology) -> RouteConfiguration {
    let paced = vec![present(names::FACTS), present(names::PACE)];
    let unpaced = vec![present(names::FACTS)];
    RouteConfiguration {
        name: ROUTES.to_owned(),
        virtual_hosts: vec![VirtualHost {
            name: "dragoman".to_owned(),
            domains: vec!["*".to_owned()],
            routes: vec![
                operation("one-deployment", paced, patient(), topology),
                operation("plan", unpaced, swift(), topology),
                service(),
            ],
            request_body_buffer_limit: Some(UInt64Value {
                value: topology.max_body_bytes.into(),
            }),
            ..VirtualHost::default()
        }],
        response_headers_to_remove: vec![names::RETRY.to_owned()],
        ..RouteConfiguration::default()
    }
}

/// A request with an operation: admitted, and sent where its plan says.
fn operation(
    name: &str,
    headers: Vec<HeaderMatcher>,
    retry: RetryPolicy,
    topology: &Topology,
) -> Route {
    Route {
        name: name.to_owned(),
        r#match: Some(prefix(headers)),
        response_headers_to_add: response_headers(),
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::InlineClusterSpecifierPlugin(plan())),
            // the service sets the real timeouts of each request by x-envoy-* headers
            timeout: Some(any::duration(Duration::ZERO)),
            idle_timeout: Some(any::duration(topology.idle_timeout)),
            retry_policy: Some(retry),
            ..RouteAction::default()
        })),
        ..Route::default()
    }
}

/// What the service answers itself.
fn service() -> Route {
    let off = ExtProcPerRoute {
        r#override: Some(Override::Disabled(true)),
    };
    Route {
        name: "service".to_owned(),
        r#match: Some(prefix(Vec::new())),
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(SERVICE_HTTP_CLUSTER.to_owned())),
            timeout: Some(any::duration(SERVICE_TIMEOUT)),
            ..RouteAction::default()
        })),
        typed_per_filter_config: HashMap::from([(filters::EXT_PROC.to_owned(), pack_any(off))]),
        ..Route::default()
    }
}

fn prefix(headers: Vec<HeaderMatcher>) -> RouteMatch {
    RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
        headers,
        ..RouteMatch::default()
    }
}

fn present(name: &str) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::PresentMatch(true)),
        ..HeaderMatcher::default()
    }
}

/// What every answer of an operation carries: leave for pages of any origin to read it (preflights
/// are answered by the service).
fn response_headers() -> Vec<HeaderValueOption> {
    vec![response_header(names::ALLOW_ORIGIN, names::ANY_ORIGIN)]
}

pub(crate) fn response_header(name: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            value: value.to_owned(),
            ..HeaderValue::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

/// Moves on as soon as an attempt fails: the next one goes elsewhere.
fn swift() -> RetryPolicy {
    RetryPolicy {
        retry_back_off: Some(RetryBackOff {
            base_interval: Some(any::duration(FAILOVER_PAUSE)),
            max_interval: Some(any::duration(FAILOVER_PAUSE)),
        }),
        ..retry()
    }
}

/// Waits between attempts, as long as the provider asks or doubling: they all go to it.
fn patient() -> RetryPolicy {
    RetryPolicy {
        retry_back_off: Some(RetryBackOff {
            base_interval: Some(any::duration(SAME_DEPLOYMENT_PAUSE)),
            max_interval: Some(any::duration(SAME_DEPLOYMENT_PAUSE_MAX)),
        }),
        rate_limited_retry_back_off: Some(RateLimitedRetryBackOff {
            reset_headers: vec![ResetHeader {
                name: "retry-after".to_owned(),
                format: ResetHeaderFormat::Seconds.into(),
            }],
            max_interval: Some(any::duration(RETRY_AFTER_MAX)),
        }),
        ..retry()
    }
}

/// What is tried again: a connection that failed or broke before the first token, a timeout, and
/// whatever the upstream filter marks. The number comes from the service, per request.
fn retry() -> RetryPolicy {
    RetryPolicy {
        retry_on: "connect-failure,refused-stream,reset,retriable-headers".to_owned(),
        num_retries: Some(UInt32Value { value: 0 }),
        retriable_headers: vec![present(names::RETRY)],
        refresh_cluster_on_retry: true,
        ..RetryPolicy::default()
    }
}

/// The cluster specifier that walks the plan.
fn plan() -> ClusterSpecifierPlugin {
    let specifier = PriorityGroupClusterSpecifier {
        priority_groups: vec![PriorityGroup::of("none", NOWHERE)],
        override_metadata_namespace: names::PLAN_NAMESPACE.to_owned(),
    };
    ClusterSpecifierPlugin {
        extension: Some(any::extension(
            "envoy.router.cluster_specifier_plugin.priority_group",
            specifier,
        )),
        ..ClusterSpecifierPlugin::default()
    }
}
