//! Aliases, their deployments and their fallbacks: an immutable table.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Pattern, Strategy};

/// LiteLLM's default.
const DEFAULT_RETRIES: u32 = 2;

/// An alias and what serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The public name, maybe with a `*`.
    pub alias: Arc<str>,
    /// Its deployments.
    pub deployments: Vec<Candidate>,
}

/// A deployment that a plan may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The deployment's id.
    pub id: Arc<str>,
    /// Its cluster in Envoy.
    pub cluster: Arc<str>,
    /// `provider/model`, by which a request may name it too.
    pub model: Arc<str>,
    /// Relative weight; a fraction is scaled up by the configuration.
    pub weight: Option<u32>,
    /// Requests per minute: weighs when no deployment of the alias has a weight.
    pub rpm: Option<u64>,
    /// Tokens per minute: weighs when neither weights nor requests per minute are set.
    pub tpm: Option<u64>,
    /// Lower goes first, whatever the strategy says.
    pub order: u32,
}

impl Candidate {
    /// A deployment with no preference; its cluster is named like itself.
    pub fn new(id: &str, model: &str) -> Self {
        let id = Arc::from(id);
        Self {
            cluster: Arc::clone(&id),
            id,
            model: Arc::from(model),
            weight: None,
            rpm: None,
            tpm: None,
            order: 0,
        }
    }
}

/// How the table is used, under LiteLLM's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingSettings {
    /// `routing_strategy`.
    pub strategy: Strategy,
    /// `num_retries`: attempts within the alias beyond the first.
    pub num_retries: u32,
    /// `fallbacks`: alias to aliases; the alias `*` speaks for those that have none of their own.
    pub fallbacks: HashMap<String, Vec<String>>,
    /// `context_window_fallbacks`: appended after `fallbacks`, since the plan is made before
    /// anyone knows that the prompt is too long.
    pub context_window_fallbacks: HashMap<String, Vec<String>>,
    /// `content_policy_fallbacks`: appended last, for the same reason.
    pub content_policy_fallbacks: HashMap<String, Vec<String>>,
    /// `default_fallbacks`: for aliases without `fallbacks` of their own.
    pub default_fallbacks: Vec<String>,
    /// `model_group_alias`: other names of aliases.
    pub model_group_alias: HashMap<String, String>,
}

impl Default for RoutingSettings {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            num_retries: DEFAULT_RETRIES,
            fallbacks: HashMap::new(),
            context_window_fallbacks: HashMap::new(),
            content_policy_fallbacks: HashMap::new(),
            default_fallbacks: Vec::new(),
            model_group_alias: HashMap::new(),
        }
    }
}

/// Aliases, their deployments and their fallbacks.
#[derive(Debug, Clone, Default)]
pub struct RoutingTable {
    routes: HashMap<Arc<str>, Route>,
    /// The most specific first.
    wildcards: Vec<(Pattern, Route)>,
    /// By `provider/model` and by id.
    named: HashMap<Arc<str>, Route>,
    settings: RoutingSettings,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    route: &'a Route,
    captured: Option<&'a str>,
}

impl<'a> Found<'a> {
    /// The deployments.
    pub fn candidates(&self) -> &'a [Candidate] {
        &self.route.deployments
    }

    /// The alias in the table: with its `*`, when it is a wildcard.
    pub fn alias(&self) -> Arc<str> {
        Arc::clone(&self.route.alias)
    }

    /// What the `*` stands for.
    pub fn captured(&self) -> Option<&'a str> {
        self.captured
    }
}

impl RoutingTable {
    /// A table of `routes`; those of equal alias are joined, those without deployments left out.
    pub fn new(routes: Vec<Route>, settings: RoutingSettings) -> Self {
        let mut table = Self {
            settings,
            ..Self::default()
        };
        for route in routes {
            if route.deployments.is_empty() {
                continue;
            }
            table.name_deployments(&route);
            match Pattern::parse(&route.alias) {
                Some(pattern) => table.add_wildcard(pattern, route),
                None => match table.routes.get_mut(&route.alias) {
                    Some(known) => known.deployments.extend(route.deployments),
                    None => {
                        table.routes.insert(Arc::clone(&route.alias), route);
                    }
                },
            }
        }
        table
            .wildcards
            .sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.specificity()));
        table
    }

    fn add_wildcard(&mut self, pattern: Pattern, route: Route) {
        match self.wildcards.iter_mut().find(|(p, _)| *p == pattern) {
            Some((_, known)) => known.deployments.extend(route.deployments),
            None => self.wildcards.push((pattern, route)),
        }
    }

    /// A deployment can be named by its model or its id; one behind a wildcard only by its id.
    fn name_deployments(&mut self, route: &Route) {
        for candidate in &route.deployments {
            let model = Some(&candidate.model).filter(|m| !m.contains('*'));
            for name in [Some(&candidate.id), model].into_iter().flatten() {
                let named = self.named.entry(Arc::clone(name)).or_insert_with(|| Route {
                    alias: Arc::clone(name),
                    deployments: Vec::new(),
                });
                if !named.deployments.iter().any(|c| c.id == candidate.id) {
                    named.deployments.push(candidate.clone());
                }
            }
        }
    }

    /// How the table is used.
    pub fn settings(&self) -> &RoutingSettings {
        &self.settings
    }

    /// What `name` stands for: an alias, another name of one, a deployment's model or id, or the
    /// most specific wildcard that matches.
    pub fn find<'a>(&'a self, name: &'a str) -> Option<Found<'a>> {
        let alias = self
            .settings
            .model_group_alias
            .get(name)
            .map_or(name, String::as_str);
        let exact = self.routes.get(alias).or_else(|| self.named.get(alias));
        if let Some(route) = exact {
            return Some(Found {
                route,
                captured: None,
            });
        }
        self.wildcards.iter().find_map(|(pattern, route)| {
            let captured = pattern.capture(alias)?;
            Some(Found {
                route,
                captured: Some(captured),
            })
        })
    }

    /// The aliases that clients see, wildcards included, in no particular order.
    pub fn aliases(&self) -> impl Iterator<Item = &Arc<str>> {
        let wildcards = self.wildcards.iter().map(|(_, route)| &route.alias);
        self.routes.keys().chain(wildcards)
    }

    /// Where a request for `alias` goes when its own deployments fail, before the fallbacks of
    /// these. What is configured for the name as written comes before what is for the alias that it
    /// leads to.
    pub fn fallbacks_of<'a>(&'a self, alias: &'a str) -> impl Iterator<Item = &'a String> {
        let settings = &self.settings;
        let led_to = self.find(alias).map(|found| &found.route.alias);
        let of = |map: &'a HashMap<String, Vec<String>>| {
            let led_to = led_to.and_then(|name| map.get(name.as_ref()));
            map.get(alias).or(led_to).map(Vec::as_slice)
        };
        let own = of(&settings.fallbacks)
            .or_else(|| settings.fallbacks.get("*").map(Vec::as_slice))
            .unwrap_or(&settings.default_fallbacks);
        let too_long = of(&settings.context_window_fallbacks).unwrap_or_default();
        let objectionable = of(&settings.content_policy_fallbacks).unwrap_or_default();
        own.iter().chain(too_long).chain(objectionable)
    }
}
