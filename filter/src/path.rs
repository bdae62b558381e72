//! Which operation a path asks for.

use dragoman_proto::Operation;

/// A client's path, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// The path below the root path, with its query: what the service's own endpoints see.
    pub path: &'a str,
    /// The operation, when the path is an endpoint that reaches a provider.
    pub operation: Option<Operation>,
    /// A model that the path names (`/engines/{model}/…`), which goes before the body's.
    pub model: Option<&'a str>,
}

/// Takes `path` apart: an optional root path, an optional `/v1`, OpenAI's and Azure's older forms.
pub fn route<'a>(path: &'a str, root_path: &str) -> Route<'a> {
    let path = without_last_slash(below_root(path, root_path));
    let bare = path.split_once('?').map_or(path, |(before, _)| before);
    let bare = bare
        .strip_suffix('/')
        .filter(|rest| !rest.is_empty())
        .unwrap_or(bare);
    if let Some(operation) = Operation::at(bare) {
        return Route {
            path,
            operation: Some(operation),
            model: None,
        };
    }
    for prefix in ["/openai/deployments/", "/engines/", "/v1/engines/"] {
        if let Some((model, rest)) = bare
            .strip_prefix(prefix)
            .and_then(|rest| rest.split_once('/'))
            && let Some(operation) = Operation::ALL
                .into_iter()
                .find(|op| op.path() == slash(rest, bare))
        {
            return Route {
                path,
                operation: Some(operation),
                model: Some(model),
            };
        }
    }
    Route {
        path,
        operation: None,
        model: None,
    }
}

/// `rest` with the slash before it, as a slice of `whole`, whose end it is.
fn slash<'a>(rest: &str, whole: &'a str) -> &'a str {
    whole
        .len()
        .checked_sub(rest.len() + 1)
        .and_then(|at| whole.get(at..))
        .unwrap_or_default()
}

/// `/v1/models/` means `/v1/models`.
fn without_last_slash(path: &str) -> &str {
    let rest = path.strip_suffix('/');
    rest.filter(|rest| !rest.is_empty() && !rest.contains('?'))
        .unwrap_or(path)
}

fn below_root<'a>(path: &'a str, root_path: &str) -> &'a str {
    match path.strip_prefix(root_path) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) | None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(path: &str, root: &str) -> Option<Operation> {
        route(path, root).operation
    }

    #[test]
    fn chat_is_served_with_and_without_v1_and_under_the_root_path() {
        let chat_completions = Some(Operation::ChatCompletions);
        for path in [
            "/chat/completions",
            "/v1/chat/completions",
            "/v1/chat/completions?x=1",
            "/v1/chat/completions/",
        ] {
            assert_eq!(chat(path, ""), chat_completions, "{path}");
            assert_eq!(
                chat(&format!("/ai-api{path}"), "/ai-api"),
                chat_completions,
                "{path}"
            );
            assert_eq!(
                chat(path, "/ai-api"),
                chat_completions,
                "{path} without the root"
            );
        }
    }

    #[test]
    fn a_slash_at_the_end_means_nothing() {
        for (received, path) in [
            ("/v1/models/", "/v1/models"),
            ("/ai-api/health/", "/health"),
            ("/ai-api/", "/"),
            ("/", "/"),
            ("/v1/models?page=/", "/v1/models?page=/"),
        ] {
            assert_eq!(route(received, "/ai-api").path, path);
        }
    }

    #[test]
    fn a_path_that_only_begins_like_the_root_path_is_left_alone() {
        assert_eq!(
            route("/ai-apix/v1/models", "/ai-api").path,
            "/ai-apix/v1/models"
        );
        assert_eq!(route("/ai-api", "/ai-api").path, "/");
        assert_eq!(
            route("/ai-api/v1/models?a=b", "/ai-api").path,
            "/v1/models?a=b"
        );
    }

    #[test]
    fn a_model_in_the_path_is_found() {
        for path in [
            "/engines/gpt/chat/completions",
            "/openai/deployments/gpt/chat/completions?api-version=1",
        ] {
            let route = route(path, "");
            assert_eq!(
                (route.operation, route.model),
                (Some(Operation::ChatCompletions), Some("gpt")),
                "{path}"
            );
        }
        assert_eq!(route("/engines/gpt", "").operation, None);
    }
}
