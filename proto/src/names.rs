//! Names that two processes must agree on.

/// Every header of ours begins so; the edge filter strips what a client sent under it.
pub const HEADER_PREFIX: &str = "x-dragoman-";

/// The model that the client asked for, as written.
pub const MODEL: &str = "x-dragoman-model";
/// The [`Operation`](crate::Operation), in its wire form.
pub const OPERATION: &str = "x-dragoman-operation";
/// `true` when the client wants a stream.
pub const STREAM: &str = "x-dragoman-stream";
/// Estimated input tokens.
pub const PROMPT_TOKENS: &str = "x-dragoman-prompt-tokens";
/// An upper bound of the input tokens.
pub const PROMPT_BOUND: &str = "x-dragoman-prompt-bound";
/// The output tokens that the client allows, when it says so.
pub const MAX_TOKENS: &str = "x-dragoman-max-tokens";
/// How many answers the client asks for (`n`), when more than one.
pub const CHOICES: &str = "x-dragoman-choices";
/// The client's `user` field, percent-encoded.
pub const USER: &str = "x-dragoman-user";
/// The path as received, before normalisation.
pub const PATH: &str = "x-dragoman-path";
/// Names of fallbacks and retries that the client set in the body, as JSON.
pub const OVERRIDES: &str = "x-dragoman-overrides";

/// On a response of the upstream filter: this attempt failed in a way that another may not. Its value
/// is the provider's own status. The router's retry policy matches it, and the attempt log carries
/// it; it is removed before a client sees the response.
pub const RETRY: &str = "x-dragoman-retry";
/// On a request, set by the service: every attempt of the plan goes to one deployment, so wait
/// between attempts as that provider asks.
pub const PACE: &str = "x-dragoman-pace";
/// On a response: the deployment that answered.
pub const DEPLOYMENT: &str = "x-dragoman-deployment";
/// On a response: the request's id, the key of its ledger row.
pub const REQUEST_ID: &str = "x-dragoman-request-id";
/// On a response: parameters that the target cannot express and that were dropped, comma-separated.
pub const DROPPED: &str = "x-dragoman-dropped-params";

/// On a response of the upstream filter that has no body: the body that the edge filter gives it.
pub const BODILESS: &str = "x-dragoman-body";

/// Dynamic metadata namespace of the plan, read by the `priority_group` cluster specifier.
pub const PLAN_NAMESPACE: &str = "dragoman.plan";
/// Dynamic metadata namespace of the [`Admission`](crate::Admission).
pub const ADMISSION_NAMESPACE: &str = "dragoman";

/// The property that the upstream filter sets with an encoded
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
/// Log name of the router's upstream log: one entry per attempt.
pub const ATTEMPT_LOG: &str = "dragoman.attempts";
