//! `/_control/`: how a test on the other side of a process boundary tells a provider what to do.
//!
//! - `POST /_control/script` with `{"model", "behaviour": ["error-503", …], "always": "…"}`: queues
//!   behaviours (see [`super::Behaviour`]) for the next requests of a model, and sets its standing
//!   one.
//! - `GET /_control/requests`, `GET /_control/usage`: what was received, and the provider's own
//!   count. `DELETE` clears.
//! - `POST /_control/reset` clears all, the scripts too.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    connection::Request,
    reply::Answer,
    state::{RecordedRequest, State},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptRequest {
    model: String,
    #[serde(default)]
    behaviour: Vec<String>,
    always: Option<String>,
}

/// The answer, when the path is ours.
pub(crate) fn answer(request: &Request, state: &State) -> Option<Answer> {
    let path = request.path.strip_prefix("/_control/")?;
    let done = || Answer::json(200, &json!({"ok": true}));
    Some(match (request.method.as_str(), path) {
        ("POST", "script") => match script(&request.body, state) {
            Ok(()) => done(),
            Err(message) => Answer::json(400, &json!({"error": message})),
        },
        ("GET", "requests") => {
            let requests: Vec<Value> = state.requests().iter().map(recorded).collect();
            Answer::json(200, &json!({"requests": requests}))
        }
        ("GET", "usage") => Answer::json(200, &json!({"usage": state.usage()})),
        ("DELETE", "requests") => {
            state.clear_requests();
            done()
        }
        ("DELETE", "usage") => {
            state.clear_usage();
            done()
        }
        ("POST", "reset") => {
            state.scripts.clear();
            state.clear_requests();
            state.clear_usage();
            done()
        }
        _ => Answer::json(404, &json!({"error": "no such control"})),
    })
}

fn script(body: &[u8], state: &State) -> Result<(), String> {
    let script: ScriptRequest = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let parse = |text: &String| text.parse().map_err(|error| format!("{text}: {error}"));
    let queue: Vec<_> = script
        .behaviour
        .iter()
        .map(parse)
        .collect::<Result<_, String>>()?;
    if let Some(always) = &script.always {
        state.scripts.always(&script.model, parse(always)?);
    }
    for behaviour in queue {
        state.scripts.queue(&script.model, behaviour);
    }
    Ok(())
}

fn recorded(request: &RecordedRequest) -> Value {
    json!({
        "number": request.number,
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": request.headers,
        "model": request.model,
        "body": String::from_utf8_lossy(&request.body),
    })
}
