//! Which endpoints a key may use: LiteLLM's `allowed_routes`.

use dragoman_proto::Operation;

use crate::plan::Pattern;

/// Which endpoints may be used. It only takes away: what needs the master key still does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RouteAccess {
    /// Every endpoint.
    #[default]
    All,
    /// These only.
    Only(Vec<Route>),
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Whatever reaches a model, and the lists of models.
    Models,
    /// What tells of keys, teams, users, models and health.
    Info,
    /// What manages keys, teams, users and budgets, and tells what was spent.
    Management,
    /// A path without `/v1`, and what is below it.
    Path(String),
    /// Paths without `/v1`, with a `*`.
    Matching(Pattern),
}

/// An entry that is neither a path nor the name of a group of endpoints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no route: give paths such as /chat/completions, or llm_api_routes, info_routes, \
     management_routes"
)]
pub struct UnknownRoute(pub String);

impl RouteAccess {
    /// Reads a list; an empty one means every endpoint.
    pub fn from_list<S: AsRef<str>>(routes: &[S]) -> Result<Self, UnknownRoute> {
        if routes.is_empty() {
            return Ok(Self::All);
        }
        let routes = routes.iter().map(|route| Route::parse(route.as_ref()));
        routes.collect::<Result<_, _>>().map(Self::Only)
    }

    /// Whether requests for `operation` may be made.
    pub fn allows(&self, operation: Operation) -> bool {
        self.has(&Route::Models, operation.path())
    }

    /// Whether the service's own endpoint at `path` may be used.
    pub fn allows_path(&self, path: &str) -> bool {
        let path = without_version(path);
        let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
        let group = if path == "/models" || path.starts_with("/models/") {
            Route::Models
        } else if path.starts_with("/health") || ends(&["/info", "/list"]) {
            Route::Info
        } else {
            Route::Management
        };
        self.has(&group, path)
    }

    fn has(&self, group: &Route, path: &str) -> bool {
        let Self::Only(routes) = self else {
            return true;
        };
        routes.iter().any(|route| match route {
            Route::Path(known) => is_at_or_below(path, known),
            Route::Matching(pattern) => pattern.matches(path),
            route => route == group,
        })
    }
}

impl Route {
    fn parse(text: &str) -> Result<Self, UnknownRoute> {
        Ok(match text.trim_end_matches('/') {
            "llm_api_routes" | "openai_routes" | "anthropic_routes" => Self::Models,
            "info_routes" => Self::Info,
            "management_routes" => Self::Management,
            path if path.starts_with('/') => {
                let path = without_version(path);
                Pattern::parse(path).map_or_else(|| Self::Path(path.to_owned()), Self::Matching)
            }
            other => return Err(UnknownRoute(other.to_owned())),
        })
    }
}

/// The same endpoints are there with and without `/v1`.
fn without_version(path: &str) -> &str {
    match path.strip_prefix("/v1") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

fn is_at_or_below(path: &str, known: &str) -> bool {
    match path.strip_prefix(known) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(routes: &[&str]) -> RouteAccess {
        RouteAccess::from_list(routes).unwrap()
    }

    #[test]
    fn an_empty_list_allows_everything() {
        let all = only(&[]);
        assert!(all.allows(Operation::Embeddings) && all.allows_path("/key/generate"));
    }

    #[test]
    fn a_group_allows_its_endpoints_and_no_others() {
        let models = only(&["llm_api_routes"]);
        assert!(models.allows(Operation::Messages) && models.allows_path("/v1/models/a/b"));
        assert!(!models.allows_path("/key/info") && !models.allows_path("/key/generate"));
        let info = only(&["info_routes"]);
        assert!(info.allows_path("/key/info") && info.allows_path("/model_group/info"));
        assert!(!info.allows(Operation::ChatCompletions) && !info.allows_path("/spend/logs"));
        let both = only(&["info_routes", "management_routes"]);
        assert!(both.allows_path("/key/info") && both.allows_path("/key/generate"));
    }

    #[test]
    fn a_path_is_the_same_with_and_without_its_version() {
        for route in [
            "/chat/completions",
            "/v1/chat/completions",
            "/chat/*",
            "/v1/chat",
        ] {
            let chat = only(&[route]);
            assert!(chat.allows(Operation::ChatCompletions), "{route}");
            assert!(!chat.allows(Operation::Completions), "{route}");
        }
        assert!(only(&["/models"]).allows_path("/v1/models"));
        assert!(!only(&["/key/in"]).allows_path("/key/info"));
    }

    #[test]
    fn what_is_no_route_is_refused() {
        let error = RouteAccess::from_list(&["chat"]).unwrap_err();
        assert!(error.to_string().starts_with("`chat` is no route"));
    }
}
