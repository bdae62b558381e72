//! What requests change of a key.

use dragoman_policy::UnixMillis;
use dragoman_policy::keys::RouteAccess;
use dragoman_proto::ApiError;

use super::fields::{Fields, Given, wrong};
use super::profile;
use crate::store::VirtualKey;

/// A `duration` that means: for ever.
const FOREVER: &str = "-1";

/// Changes what a request gives of a key.
pub(super) fn edit(key: &mut VirtualKey, fields: &Fields, now: UnixMillis) -> Result<(), ApiError> {
    fields.text("key_alias")?.set(&mut key.alias);
    fields.text("user_id")?.set(&mut key.user_id);
    fields.text("team_id")?.set(&mut key.team_id);
    edit_routes(key, fields)?;
    // null leaves the expiry as it is, as in LiteLLM: a key does not become eternal by accident
    match fields.text("duration")? {
        Given::Value(text) if text == FOREVER => key.expires = None,
        Given::Value(_) => {
            if let Some(span) = fields.span("duration")?.value() {
                key.expires = Some(span.after(now));
            }
        }
        Given::Absent | Given::Null => {}
    }
    profile::apply(fields, &mut key.profile)
}

/// `allowed_routes`, or LiteLLM's names of usual lists of them as `key_type`.
fn edit_routes(key: &mut VirtualKey, fields: &Fields) -> Result<(), ApiError> {
    if let Given::Value(kind) = fields.text("key_type")? {
        let group: &[&str] = match kind.as_str() {
            "default" => &[],
            "llm_api" => &["llm_api_routes"],
            "management" => &["management_routes"],
            "read_only" => &["info_routes"],
            _ => {
                let message = "`key_type` must be default, llm_api, management or read_only";
                return Err(wrong("key_type", message.to_owned()));
            }
        };
        key.routes = group.iter().map(|&group| group.to_owned()).collect();
    }
    fields
        .texts("allowed_routes")?
        .set_or_empty(&mut key.routes);
    RouteAccess::from_list(&key.routes)
        .map(drop)
        .map_err(|unknown| wrong("allowed_routes", unknown.to_string()))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "one of several changes, which may fail"
)]
pub(super) fn set_blocked(key: &mut VirtualKey, blocked: bool) -> Result<(), ApiError> {
    key.profile.blocked = Some(blocked);
    Ok(())
}
