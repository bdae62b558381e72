//! `GET /v1/models`: the aliases that a key may use, in OpenAI's form.

use axum::Json;
use axum::extract::{Path, State};
use dragoman_policy::{NoPlan, Principal, Refusal};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Api, Caller, Failure};
use crate::live::Live;

/// OpenAI's field is the time at which a model was made, which nobody knows of an alias; LiteLLM
/// says this.
const CREATED: u64 = 1_677_610_602;

/// What LiteLLM tells of a model, where the configuration says it.
const TOLD: [&str; 3] = ["mode", "max_input_tokens", "max_output_tokens"];

#[derive(Serialize)]
pub(super) struct List<T> {
    data: Vec<T>,
    object: &'static str,
}

#[derive(Serialize)]
pub(super) struct Model {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    #[serde(flatten)]
    told: Map<String, Value>,
}

/// `GET /v1/models`
pub(super) async fn list(State(api): State<Api>, Caller(principal): Caller) -> Json<List<Model>> {
    let live = api.live.load();
    let aliases = visible(&live, &principal);
    Json(List {
        data: aliases.map(|alias| model(&live, alias, alias)).collect(),
        object: "list",
    })
}

/// `GET /v1/models/{id}`. The id may be of a wildcard alias, and may hold a `/`.
pub(super) async fn one(
    State(api): State<Api>,
    Path(id): Path<String>,
    Caller(principal): Caller,
) -> Result<Json<Model>, Failure> {
    let live = api.live.load();
    let found = live
        .config
        .group(&id)
        .filter(|_| principal.models.allows(&id));
    match found {
        Some((alias, _)) => Ok(Json(model(&live, alias.as_str(), &id))),
        None => Err(Refusal::from(NoPlan::UnknownModel { alias: id }).into()),
    }
}

/// The aliases that are listed for `principal`, in the configuration's order.
pub(super) fn visible<'l>(
    live: &'l Live,
    principal: &'l Principal,
) -> impl Iterator<Item = &'l str> {
    let aliases = live.config.aliases.iter();
    aliases
        .filter(|(_, group)| !group.hidden)
        .map(|(alias, _)| alias.as_str())
        .filter(|alias| principal.models.allows(alias))
}

fn model(live: &Live, alias: &str, id: &str) -> Model {
    let first = live
        .config
        .aliases
        .get(alias)
        .and_then(|group| group.deployments.first());
    let info = first
        .and_then(|id| live.config.deployment(id.as_str()))
        .map(|deployment| &deployment.model_info);
    let told = |name: &&str| Some(((*name).to_owned(), info?.get(*name)?.clone()));
    Model {
        id: id.to_owned(),
        object: "model",
        created: CREATED,
        owned_by: "openai",
        told: TOLD.iter().filter_map(told).collect(),
    }
}
