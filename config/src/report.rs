//! What `dragoman check` prints.

use crate::Config;

/// Explains a configuration to a person.
pub fn report(config: &Config) -> String {
    format!("{} models\n", config.aliases.len())
}
