//! Tools with which other clients search the web, as the hub's `web_search_options`.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{hub::Unsupported, json::Object, registry::ProviderDialect, request::Call};

/// Where a user is.
#[derive(Serialize)]
struct Location<'a> {
    r#type: &'static str,
    approximate: Object<'a>,
}

/// Turns `tool` into what `chat` asks for with, where the deployment searches; tells whether it did.
pub(super) fn take(
    folder: &dyn ProviderDialect,
    call: &Call<'_>,
    tool: &RawValue,
    chat: &mut Object<'_>,
    unsupported: &mut Unsupported,
) -> bool {
    let Ok(tool) = Object::parse(tool.get().as_bytes()) else {
        return false;
    };
    let kind: String = tool.read("type").unwrap_or_default();
    if !kind.starts_with("web_search") || !folder.searches(call.config) {
        return false;
    }
    let mut options = Object::default();
    for (name, value) in tool.iter().filter(|(_, value)| value.get() != "null") {
        match name {
            "type" | "name" => {}
            "search_context_size" => options.set(name, value),
            "user_location" => {
                let mut place = Object::parse(value.get().as_bytes()).unwrap_or_default();
                place.remove("type");
                let location = Location {
                    r#type: "approximate",
                    approximate: place,
                };
                options.set(name, &location);
            }
            _ => unsupported.leave_out(&format!("tools.{kind}.{name}")),
        }
    }
    chat.set("web_search_options", &options);
    true
}
