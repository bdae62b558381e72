//! Names that two processes must agree on.

/// Every header of ours begins so; the edge filter strips what a client sent under it.
pub const HEADER_PREFIX: &str = "x-dragoman-";

/// The [`Facts`](crate::Facts) of a request, in one header, because each header that a filter sets
/// costs it a call into Envoy. Routes match it: what has it goes to a provider.
pub const FACTS: &str = "x-dragoman-facts";

/// On a response of the upstream filter: this attempt failed in a way that another may not. The
/// router's retry policy matches it; it is removed before a client sees the response.
pub const RETRY: &str = "x-dragoman-retry";
/// On a request, set by the service: every attempt of the plan goes to one deployment, so wait
/// between attempts as that provider asks.
pub const PACE: &str = "x-dragoman-pace";
/// On a response: the deployment that answered.
pub const DEPLOYMENT: &str = "x-dragoman-deployment";
/// On a response: the request's id, the key of its ledger row.
pub const REQUEST_ID: &str = "x-dragoman-request-id";
/// The same under LiteLLM's name.
pub const CALL_ID: &str = "x-litellm-call-id";
/// On a response: what is left of the key's budget, in dollars.
pub const KEY_BUDGET_LEFT: &str = "x-dragoman-key-budget-left";
/// On a response: parameters that the target cannot express and that were dropped, comma-separated.
pub const DROPPED: &str = "x-dragoman-dropped-params";

/// On a response of the upstream filter that has no body: the body that the edge filter gives it.
pub const BODILESS: &str = "x-dragoman-body";
/// Response header that says which pages may read an answer: those of [`ANY_ORIGIN`].
pub const ALLOW_ORIGIN: &str = "access-control-allow-origin";
/// Keys are no cookies: a page can use none that it was not given, so answers may be read by all.
pub const ANY_ORIGIN: &str = "*";

/// Dynamic metadata namespace of the plan, read by the `priority_group` cluster specifier.
pub const PLAN_NAMESPACE: &str = "dragoman.plan";
/// Dynamic metadata namespace of the [`Admission`](crate::Admission).
pub const ADMISSION_NAMESPACE: &str = "dragoman";

/// The property that the upstream filter sets with the text of an
/// [`AttemptReport`](crate::AttemptReport).
pub const REPORT_PROPERTY: &str = "dragoman.report";
/// The same in Envoy's filter state, as access loggers name it.
pub const REPORT_FILTER_STATE: &str = "wasm.dragoman.report";

/// `root_id` of the filter in the connection manager.
pub const EDGE_ROOT_ID: &str = "edge";
/// `root_id` of the filter in a provider's cluster.
pub const UPSTREAM_ROOT_ID: &str = "upstream";
/// Both roles share one VM per worker.
pub const VM_ID: &str = "dragoman";

/// Log name of the connection manager's access log: one entry per request.
pub const REQUEST_LOG: &str = "dragoman.requests";
