//! Keys of LiteLLM's that are not honoured, and what that means: one line each.

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Top,
    Entry,
    Params,
    Router,
    LiteLlm,
    General,
}

/// What it means that `key` is not honoured; `None` when it is unknown.
pub(crate) fn consequence(place: Place, key: &str) -> Option<&'static str> {
    let table = match place {
        Place::Top => TOP,
        Place::Entry => ENTRY,
        Place::Params => PARAMS,
        Place::Router => ROUTER,
        Place::LiteLlm => LITELLM,
        Place::General => GENERAL,
    };
    let found = table.iter().find(|(name, _)| matches(name, key));
    found.map(|(_, consequence)| *consequence)
}

fn matches(name: &str, key: &str) -> bool {
    match name.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None => name == key,
    }
}

type Table = &'static [(&'static str, &'static str)];

const NO_CALLBACKS: &str = "no callbacks: costs and usage are in the ledger and in /metrics";
const NO_CACHE: &str = "answers are not cached: each request reaches a provider";
const LOGGING: &str = "logging is set by RUST_LOG; prompts and answers are never logged";
const NO_GUARDRAILS: &str = "no guardrails: requests and answers pass unchecked";
const NO_REDIS: &str = "counters are kept by the service itself";
const PLAIN_RETRIES: &str = "retries are counted by num_retries alone, whatever the error";

#[rustfmt::skip]
const TOP: Table = &[
    ("include", "other files are not read: put their entries into this one"),
    ("guardrails", NO_GUARDRAILS),
    ("mcp_servers", "no MCP servers are offered"),
    ("mcp_tools", "no MCP tools are offered"),
    ("search_tools", "no search tools are offered"),
    ("vector_store_registry", "no vector stores are offered"),
    ("credential_list", "named credentials are not read: give each deployment its api_key"),
    ("files_settings", "files and batches are not served"),
    ("finetune_settings", "fine-tuning is not served"),
    ("callback_settings", NO_CALLBACKS),
    ("assistant_settings", "assistants are not served"),
    ("pass_through_endpoints", "no pass-through endpoints are served"),
];

#[rustfmt::skip]
const ENTRY: Table = &[
    ("tpm_limit", "did you mean tpm?"),
    ("rpm_limit", "did you mean rpm?"),
];

#[rustfmt::skip]
const PARAMS: Table = &[
    ("mock_response", "no made-up answers: requests reach the provider"),
    ("mock_*", "no made-up answers: requests reach the provider"),
    ("stream", "whether to stream is the client's choice"),
    ("messages", "messages are the client's"),
    ("metadata", "no metadata is added to requests"),
    ("tags", "requests are not routed by tags"),
    ("litellm_credential_name", "named credentials are not read: set api_key"),
    ("configurable_clientside_auth_params", "clients cannot choose address or key"),
    ("use_in_pass_through", "no pass-through endpoints are served"),
    ("merge_reasoning_content_in_choices", "reasoning stays in reasoning_content"),
    ("cache_control_injection_points", "no cache markers are added: clients set cache_control"),
    ("additional_drop_params", "these parameters reach the provider"),
    ("allowed_openai_params", "which parameters pass is decided by the provider's dialect"),
    ("extra_headers", "these headers are not sent"),
    ("headers", "these headers are not sent"),
    ("default_headers", "these headers are not sent"),
    ("organization", "the OpenAI-Organization header is not sent: the key's own organization pays"),
    ("guardrails", NO_GUARDRAILS),
    ("cache", NO_CACHE),
    ("caching", NO_CACHE),
    ("caching_groups", NO_CACHE),
    ("fallbacks", "fallbacks of one deployment are not read: use router_settings.fallbacks"),
    ("max_budget", "no budget per deployment: use provider_budget_config or a key's max_budget"),
    ("budget_duration", "no budget per deployment: use provider_budget_config or a key's max_budget"),
    ("max_file_size_mb", "the size of bodies is limited by dragoman.max_body_bytes"),
    ("ssl_verify", "the provider's certificate is always verified"),
    ("client", "not a setting of a configuration file"),
    ("hf_model_name", "prompts are not templated here"),
    ("roles", "prompts are not templated here"),
    ("initial_prompt_value", "prompts are not templated here"),
    ("final_prompt_value", "prompts are not templated here"),
    ("prompt_id", "no prompt management"),
    ("prompt_variables", "no prompt management"),
    ("auto_router_*", "no automatic choice of models"),
    ("cooldown_time", "one cooldown for all: router_settings.cooldown_time"),
    ("supports_system_message", "system messages are sent as such"),
    ("no-log", "the ledger never holds prompts or answers"),
    ("preset_cache_key", NO_CACHE),
    ("tpm_limit", "did you mean tpm?"),
    ("rpm_limit", "did you mean rpm?"),
];

#[rustfmt::skip]
const ROUTER: Table = &[
    ("set_verbose", LOGGING),
    ("debug_level", LOGGING),
    ("enable_fallbacks", "LiteLLM has no such setting; list them in fallbacks"),
    ("redis_*", NO_REDIS),
    ("cache_*", NO_CACHE),
    ("client_ttl", "connections are Envoy's"),
    ("caching_groups", NO_CACHE),
    ("routing_strategy_args", "the strategy runs with its defaults"),
    ("retry_after", "the wait between attempts is the provider's retry-after, else a short backoff"),
    ("retry_policy", PLAIN_RETRIES),
    ("model_group_retry_policy", PLAIN_RETRIES),
    ("allowed_fails_policy", "failures are counted alike: allowed_fails"),
    ("enable_tag_filtering", "requests are not routed by tags"),
    ("tag_filtering_match_any", "requests are not routed by tags"),
    ("max_fallbacks", "every alias of a fallback list is tried"),
    ("default_litellm_params", "defaults for all deployments are not read: set them in each"),
    ("default_max_parallel_requests", "set max_parallel_requests in each deployment"),
    ("optional_pre_call_checks", "no such checks"),
    ("assistants_config", "assistants are not served"),
    ("router_general_settings", "not used"),
    ("alerting_config", "alerts are set by dragoman.budgets.alert_webhook"),
    ("polling_interval", "not used"),
    ("default_priority", "requests are not queued"),
    ("deployment_affinity_ttl_seconds", "requests are not bound to a deployment"),
];

#[rustfmt::skip]
const LITELLM: Table = &[
    ("set_verbose", LOGGING),
    ("json_logs", LOGGING),
    ("log_raw_request_response", LOGGING),
    ("turn_off_message_logging", "already so: prompts and answers are never logged"),
    ("redact_user_api_key_info", "already so: no key is ever logged"),
    ("redact_messages_in_exceptions", "already so: prompts and answers are never logged"),
    ("telemetry", "already so: nothing is reported to anybody"),
    ("callbacks", NO_CALLBACKS),
    ("success_callback", NO_CALLBACKS),
    ("failure_callback", NO_CALLBACKS),
    ("audit_log_callbacks", NO_CALLBACKS),
    ("service_callback*", NO_CALLBACKS),
    ("callback_settings", NO_CALLBACKS),
    ("langfuse_*", NO_CALLBACKS),
    ("s3_callback_params", NO_CALLBACKS),
    ("prometheus_*", "/metrics has one set of metrics"),
    ("custom_prometheus_*", "/metrics has one set of metrics"),
    ("cache", NO_CACHE),
    ("cache_params", NO_CACHE),
    ("enable_caching_on_provider_specific_optional_params", NO_CACHE),
    ("guardrails", NO_GUARDRAILS),
    ("modify_params", "requests are translated, not repaired"),
    ("default_team_settings", "teams have no settings of their own in this file"),
    ("default_internal_user_params", "users have no defaults in this file"),
    ("default_team_params", "teams have no defaults in this file"),
    ("default_key_generate_params", "keys have no defaults in this file"),
    ("upperbound_key_generate_params", "keys have no upper bounds in this file"),
    ("key_generation_settings", "only the master key makes keys"),
    ("max_internal_user_budget", "users have no default budget in this file"),
    ("internal_user_budget_duration", "users have no default budget in this file"),
    ("max_end_user_budget", "end users have no default budget in this file"),
    ("enable_json_schema_validation", "answers are not checked against a schema"),
    ("force_ipv4", "address families are Envoy's choice"),
    ("ssl_*", "TLS is Envoy's: providers' certificates are always verified"),
    ("public_model_groups*", "every key lists the models that it may use"),
    ("forward_traceparent_to_llm_provider", "no header of a client reaches a provider"),
    ("add_function_to_prompt", "tools are translated, never written into prompts"),
    ("mcp_*", "no MCP servers are offered"),
    ("custom_provider_map", "no Python handlers"),
    ("post_call_rules", "no Python handlers"),
    ("ui_theme_config", "no such page"),
    ("require_auth_for_metrics_endpoint", "already so: /metrics wants the master key"),
    ("alerting", "alerts are set by dragoman.budgets.alert_webhook"),
    ("content_policy_fallback_*", "use content_policy_fallbacks"),
];

#[rustfmt::skip]
const GENERAL: Table = &[
    ("ui", "no LiteLLM admin page; keys and costs are managed over the API"),
    ("ui_access_mode", "no LiteLLM admin page; keys and costs are managed over the API"),
    ("database_url", "the database is set by the variable DATABASE_URL, never in this file"),
    ("database_*", "the database is set by the variable DATABASE_URL"),
    ("store_model_in_db", "models come from this file alone"),
    ("store_prompts_in_spend_logs", "the ledger never holds prompts or answers"),
    ("proxy_batch_write_at", "the ledger is written as requests end"),
    ("proxy_budget_rescheduler_*", "budgets reset exactly at the end of their window"),
    ("alerting*", "alerts are set by dragoman.budgets.alert_webhook"),
    ("alert_*", "alerts are set by dragoman.budgets.alert_webhook"),
    ("spend_report_frequency", "no reports are sent; see /global/spend/report"),
    ("background_health_checks", "health is known from requests; providers are not called for it"),
    ("health_check_*", "health is known from requests; providers are not called for it"),
    ("use_shared_health_check", "health is known from requests; providers are not called for it"),
    ("enable_jwt_auth", "no JWT: clients show a key"),
    ("litellm_jwtauth", "no JWT: clients show a key"),
    ("enable_oauth2_*", "no OAuth: clients show a key"),
    ("custom_auth", "no Python handlers: clients show a key"),
    ("custom_*", "no Python handlers"),
    ("allowed_ips", "addresses are not filtered here: use Envoy's RBAC filter"),
    ("use_x_forwarded_for", "addresses are Envoy's"),
    ("forward_client_headers_to_llm_api", "no header of a client reaches a provider"),
    ("forward_openai_org_id", "no header of a client reaches a provider"),
    ("pass_through_endpoints", "no pass-through endpoints are served"),
    ("public_routes", "which routes need a key is fixed"),
    ("admin_only_routes", "which routes need the master key is fixed"),
    ("allowed_routes", "which routes exist is fixed"),
    ("max_response_size_mb", "answers have no size limit"),
    ("max_parallel_requests", "limits in flight are set per deployment, key or team"),
    ("global_max_parallel_requests", "limits in flight are set per deployment, key or team"),
    ("infer_model_from_keys", "models come from model_list alone"),
    ("key_management_system", "secrets come from variables or this file"),
    ("key_management_settings", "secrets come from variables or this file"),
    ("use_google_kms", "secrets come from variables or this file"),
    ("use_azure_key_vault", "secrets come from variables or this file"),
    ("load_aws_kms", "secrets come from variables or this file"),
    ("block_robots", "robots.txt is not served"),
    ("enforce_user_param", "the `user` field stays optional"),
    ("enforced_params", "no parameter is demanded from clients"),
    ("allow_user_auth", "users have no passwords"),
    ("user_api_key_cache_ttl", "keys are always checked against their current state"),
    ("user_header_name", "the end user is the body's `user` field"),
    ("user_header_mappings", "the end user is the body's `user` field"),
    ("litellm_key_header_name", "keys stand in authorization or x-api-key"),
    ("allow_requests_on_db_unavailable", "without its store the service answers 503: no request passes for free"),
    ("maximum_spend_logs_retention_*", "the ledger's retention is set by dragoman.ledger.retention_days"),
    ("always_include_stream_usage", "usage is in a stream when the client asks for it"),
    ("token_rate_limit_type", "input and output tokens count"),
    ("dangerously_permit_weak_or_unset_master_key", "without a master key one is generated at first start"),
    ("role_permissions", "only the master key may manage"),
    ("default_team_disabled", "keys need no team"),
    ("disable_reset_budget", "budgets reset at the end of their window"),
    ("disable_adding_master_key_hash_to_db", "already so: the master key is never stored"),
    ("disable_master_key_return", "already so: the master key is never returned"),
    ("disable_retry_on_max_parallel_request_limit_error", "a deployment that is full is passed over"),
    ("disable_prisma_schema_update", "migrations run at start"),
    ("disable_responses_id_security", "response ids are the provider's"),
    ("enable_health_check_routing", "health is known from requests"),
    ("service_account_settings", "no service accounts"),
    ("image_generation_model", "images need a model in the request"),
    ("embedding_model", "embeddings need a model in the request"),
    ("moderation_model", "moderations need a model in the request"),
    ("search_tools", "no search tools are offered"),
    ("mcp_*", "no MCP servers are offered"),
    ("supported_db_objects", "models come from this file alone"),
    ("reject_clientside_metadata_tags", "tags of clients are kept in the ledger"),
    ("set_verbose", LOGGING),
];

/// Parameters of requests that are worth no warning as defaults: OpenAI's, and those that many
/// compatible servers add.
pub(crate) fn is_request_parameter(key: &str) -> bool {
    REQUEST.contains(&key)
}

/// What a parameter's value must be, where that is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    Number,
    Boolean,
}

/// What the value of a request parameter must be; `None` where a text may be right.
pub(crate) fn plain(key: &str) -> Option<Plain> {
    if NUMBERS.contains(&key) {
        return Some(Plain::Number);
    }
    BOOLEANS.contains(&key).then_some(Plain::Boolean)
}

#[rustfmt::skip]
const NUMBERS: &[&str] = &[
    "temperature", "top_p", "top_k", "top_a", "min_p", "typical_p", "n", "max_tokens",
    "max_completion_tokens", "max_output_tokens", "presence_penalty", "frequency_penalty",
    "repetition_penalty", "length_penalty", "top_logprobs", "seed", "dimensions", "best_of", "speed",
    "num_ctx", "num_predict",
];

const BOOLEANS: &[&str] = &[
    "logprobs",
    "parallel_tool_calls",
    "store",
    "echo",
    "ignore_eos",
];

#[rustfmt::skip]
const REQUEST: &[&str] = &[
    "temperature", "top_p", "top_k", "top_a", "min_p", "typical_p", "n", "stop", "max_tokens",
    "max_completion_tokens", "max_output_tokens", "presence_penalty", "frequency_penalty",
    "repetition_penalty", "length_penalty", "logit_bias", "logprobs", "top_logprobs", "seed",
    "user", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call",
    "response_format", "reasoning_effort", "reasoning", "include_reasoning", "reasoning_format",
    "thinking", "service_tier", "store", "modalities", "audio", "prediction", "verbosity",
    "web_search_options", "search_parameters", "stream_options", "dimensions", "encoding_format",
    "size", "quality", "style", "background", "moderation", "output_format", "output_compression",
    "partial_images", "voice", "speed", "instructions", "language", "prompt", "suffix", "echo",
    "best_of", "input_type", "prompt_cache_key", "prompt_cache_retention", "safety_identifier",
    "safety_settings", "chat_template_kwargs", "guided_json", "guided_regex", "guided_choice",
    "guided_grammar", "best_of", "ignore_eos", "skip_special_tokens", "stop_sequences",
    "stop_token_ids", "truncate", "provider", "models", "transforms", "route", "plugins", "usage",
    "num_ctx", "num_predict", "keep_alive", "think", "format", "options", "enable_thinking",
    "model_id", "guardrailConfig", "performanceConfig", "requestMetadata", "promptVariables",
    "additionalModelRequestFields", "additionalModelResponseFieldPaths", "normalize",
    "timestamp_granularities", "random_seed", "safe_prompt", "context_management",
];
