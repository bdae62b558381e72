//! `GET /model/info` and `/model_group/info`: deployments and groups, without a word of secrets or
//! addresses.

use axum::Json;
use axum::extract::State;
use dragoman_config::Deployment;
use dragoman_policy::{PicoPrice, Principal};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::models::visible;
use super::{Api, Caller};
use crate::live::Live;

#[derive(Serialize)]
pub(super) struct Answer<T> {
    data: Vec<T>,
}

#[derive(Serialize)]
pub(super) struct DeploymentInfo {
    model_name: String,
    litellm_params: Params,
    model_info: ModelInfo,
}

#[derive(Serialize)]
struct Params {
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rpm: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tpm: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_parallel_requests: Option<u32>,
}

#[derive(Serialize)]
struct ModelInfo {
    id: String,
    db_model: bool,
    key: String,
    litellm_provider: &'static str,
    #[serde(flatten)]
    costs: Costs,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize)]
pub(super) struct GroupInfo {
    model_group: String,
    providers: Vec<&'static str>,
    mode: Option<Value>,
    max_input_tokens: Option<Value>,
    max_output_tokens: Option<Value>,
    #[serde(flatten)]
    costs: Costs,
    rpm: Option<u64>,
    tpm: Option<u64>,
}

/// Dollars per token; null when not known. Digits, not floats: what is written is exact.
#[derive(Serialize)]
struct Costs {
    input_cost_per_token: Option<Box<RawValue>>,
    output_cost_per_token: Option<Box<RawValue>>,
}

/// `GET /model/info`
pub(super) async fn deployments(
    State(api): State<Api>,
    Caller(principal): Caller,
) -> Json<Answer<DeploymentInfo>> {
    let live = api.live.load();
    let of_alias = |alias| members(&live, alias).map(|found| deployment_info(&live, found));
    Json(Answer {
        data: visible(&live, &principal).flat_map(of_alias).collect(),
    })
}

/// `GET /model_group/info`
pub(super) async fn groups(
    State(api): State<Api>,
    Caller(principal): Caller,
) -> Json<Answer<GroupInfo>> {
    let live = api.live.load();
    let data = group_infos(&live, &principal);
    Json(Answer { data })
}

fn group_infos(live: &Live, principal: &Principal) -> Vec<GroupInfo> {
    visible(live, principal)
        .filter_map(|alias| {
            let members: Vec<_> = members(live, alias).collect();
            group_info(live, alias, &members)
        })
        .collect()
}

/// The deployments behind an alias.
fn members<'l>(live: &'l Live, alias: &str) -> impl Iterator<Item = &'l Deployment> {
    let group = live.config.aliases.get(alias);
    let ids = group.map_or(&[][..], |group| &group.deployments);
    ids.iter()
        .filter_map(|id| live.config.deployment(id.as_str()))
}

fn deployment_info(live: &Live, deployment: &Deployment) -> DeploymentInfo {
    let provider = deployment.provider.prefix;
    DeploymentInfo {
        model_name: deployment.alias.to_string(),
        litellm_params: Params {
            model: format!("{provider}/{}", deployment.model),
            weight: deployment.weight,
            rpm: deployment.rpm,
            tpm: deployment.tpm,
            max_parallel_requests: deployment.max_parallel_requests,
        },
        model_info: ModelInfo {
            id: deployment.id.to_string(),
            db_model: false,
            key: deployment.model.clone(),
            litellm_provider: provider,
            costs: Costs::of(live, deployment),
            rest: told(&deployment.model_info),
        },
    }
}

/// What the configuration says of a model, less what is said elsewhere in the answer.
fn told(info: &Map<String, Value>) -> Map<String, Value> {
    const SAID: [&str; 6] = [
        "id",
        "db_model",
        "key",
        "litellm_provider",
        "input_cost_per_token",
        "output_cost_per_token",
    ];
    let rest = info
        .iter()
        .filter(|(name, _)| !SAID.contains(&name.as_str()));
    rest.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn group_info(live: &Live, alias: &str, members: &[&Deployment]) -> Option<GroupInfo> {
    let first = members.first()?;
    let told = |name: &str| {
        members
            .iter()
            .find_map(|member| member.model_info.get(name))
            .cloned()
    };
    let mut providers: Vec<_> = members
        .iter()
        .map(|member| member.provider.prefix)
        .collect();
    providers.sort_unstable();
    providers.dedup();
    Some(GroupInfo {
        model_group: alias.to_owned(),
        providers,
        mode: told("mode"),
        max_input_tokens: told("max_input_tokens"),
        max_output_tokens: told("max_output_tokens"),
        costs: Costs::of(live, first),
        rpm: members.iter().map(|member| member.rpm).sum(),
        tpm: members.iter().map(|member| member.tpm).sum(),
    })
}

impl Costs {
    fn of(live: &Live, deployment: &Deployment) -> Self {
        let served = live.served(deployment.id.as_str());
        let price = served
            .and_then(|served| served.price.as_ref())
            .map(|(price, _)| price);
        let digits = |price: PicoPrice| RawValue::from_string(price.to_string()).ok();
        Self {
            input_cost_per_token: price.and_then(|price| price.input).and_then(digits),
            output_cost_per_token: price.and_then(|price| price.output).and_then(digits),
        }
    }
}
