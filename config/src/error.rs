//! Why a configuration does not load: one line for a person, with the place.

/// Why a configuration does not load.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file has nothing in it.
    #[error("the file is empty; it needs a model_list")]
    Empty,
    /// The file is larger than any configuration is.
    #[error("the file has {bytes} bytes; a configuration may have {limit} at most")]
    TooLarge {
        /// Size of the file.
        bytes: usize,
        /// The cap.
        limit: usize,
    },
    /// The file is no YAML.
    #[error("{}{reason}", place(*.line, *.column))]
    Syntax {
        /// From 1.
        line: Option<usize>,
        /// From 1.
        column: Option<usize>,
        /// What the parser says.
        reason: String,
    },
    /// The file is YAML, but not a map.
    #[error("the file is {found}, not a map with model_list in it")]
    NotAMap {
        /// What it is instead.
        found: &'static str,
    },
    /// There is nothing to serve.
    #[error(
        "model_list {state}; it needs at least one entry with model_name and litellm_params.model"
    )]
    NoModels {
        /// `is missing` or `is empty`.
        state: &'static str,
    },
    /// A key that must be there is not.
    #[error("{path}: {key} is missing")]
    Missing {
        /// The map that lacks it.
        path: String,
        /// The key.
        key: &'static str,
    },
    /// A value has the wrong type.
    #[error("{path}: expected {expected}, found {found}")]
    Type {
        /// The value's place.
        path: String,
        /// What would be right.
        expected: &'static str,
        /// What is there; numbers are shown, text never is.
        found: String,
    },
    /// A value is none of the possible ones.
    #[error("{path}: `{found}` is not known; possible are {possible}")]
    Choice {
        /// The value's place.
        path: String,
        /// What is there.
        found: String,
        /// The possible values.
        possible: String,
    },
    /// A model name from which no provider follows.
    #[error("{path}: {reason}")]
    Model {
        /// The value's place.
        path: String,
        /// Why, and what to write.
        reason: ModelError,
    },
    /// An address that cannot be used.
    #[error("{path}: {reason}")]
    Address {
        /// The value's place.
        path: String,
        /// Why.
        reason: crate::EndpointError,
    },
    /// The deployment has no address.
    #[error("{path}: {provider} has no default address; set api_base")]
    NoAddress {
        /// The deployment.
        path: String,
        /// Its provider.
        provider: &'static str,
    },
    /// The address comes from a variable that is not set, and the default is somebody else.
    #[error(
        "{path}: variable {variable} is not set; without it the requests and the key would go to {default}"
    )]
    UnsetAddress {
        /// The value's place.
        path: String,
        /// The variable.
        variable: String,
        /// Where they would go.
        default: String,
    },
    /// The address comes from a variable that is not set, and there is no default.
    #[error("{path}: variable {variable} is not set, and {provider} has no default address")]
    NoAddressVariable {
        /// The value's place.
        path: String,
        /// The variable.
        variable: String,
        /// The provider.
        provider: &'static str,
    },
    /// A secret that no HTTP header can carry.
    #[error("{path}: the value has characters that an HTTP header cannot carry")]
    Unprintable {
        /// The value's place.
        path: String,
    },
    /// A price that is no amount.
    #[error("{path}: {reason}")]
    Price {
        /// The entry of the model list.
        path: String,
        /// Which price, and why.
        reason: dragoman_policy::prices::OverrideError,
    },
    /// Two deployments with one id.
    #[error("{path}: the id {id} is taken by another deployment")]
    DuplicateId {
        /// The second one's place.
        path: String,
        /// The id.
        id: String,
    },
    /// A key of our own section that does not exist.
    #[error("{path}: there is no such setting; possible are {possible}")]
    UnknownSetting {
        /// The key's place.
        path: String,
        /// The possible keys.
        possible: String,
    },
}

/// Why no provider follows from a model name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// There is no provider with this prefix.
    #[error(
        "no provider is known by the prefix `{0}`; write provider/model (for any server that speaks OpenAI's API: openai/<its model name>, with api_base)"
    )]
    UnknownPrefix(String),
    /// There is no prefix, and the name alone does not tell.
    #[error("`{0}` does not tell the provider; write provider/model, such as openai/gpt-4o")]
    NoPrefix(String),
    /// There is a prefix and nothing after it.
    #[error("there is no model name after `{0}/`")]
    NoName(String),
    /// `custom_llm_provider` names nobody.
    #[error("custom_llm_provider `{0}` is not known")]
    UnknownProvider(String),
}

fn place(line: Option<usize>, column: Option<usize>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!("line {line}, column {column}: "),
        (Some(line), None) => format!("line {line}: "),
        _ => String::new(),
    }
}
