//! Why a request is not admitted, and the one place where that becomes an error for the client.

use dragoman_proto::{ApiError, ErrorKind};

use crate::budget;
use crate::limits::LimitExceeded;
use crate::plan::NoPlan;
use crate::prices::Unpriced;

/// Requests under way settle in about this time.
const CONTENDED_RETRY_SECONDS: u64 = 1;

/// Why a request is not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No header holds a key.
    #[error("no API key was sent: send it as `Authorization: Bearer <key>`")]
    NoKey,
    /// A header holds something that is no key.
    #[error("the API key is malformed: send it as `Authorization: Bearer <key>`")]
    MalformedKey,
    /// The key is not one of ours.
    #[error("the API key is not valid")]
    UnknownKey,
    /// The key's time is over.
    #[error("the API key has expired")]
    ExpiredKey,
    /// The key was blocked.
    #[error("the API key is blocked")]
    BlockedKey,
    /// The key's team or user was blocked.
    #[error("the {0} of this API key is blocked")]
    BlockedOwner(&'static str),
    /// Only the master key may do this.
    #[error("this needs the master key")]
    MasterOnly,
    /// The key may not use the endpoint.
    #[error("this API key may not use {path}")]
    RouteNotAllowed {
        /// As it is listed: `/v1/chat/completions`.
        path: String,
    },
    /// The key may not use the model.
    #[error("this API key may not use the model `{model}`")]
    ModelNotAllowed {
        /// As the client wrote it.
        model: String,
    },
    /// There is nowhere to send the request.
    #[error(transparent)]
    NoPlan(#[from] NoPlan),
    /// A budget has no room.
    #[error(transparent)]
    Budget(Box<budget::Refused>),
    /// A limit is reached.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// A budget applies and a model has no known price.
    #[error(
        "the model `{model}` has no known price, which a budget needs: {reason}, or 0 if it is free"
    )]
    Unpriced {
        /// As the client wrote it.
        model: String,
        /// What is missing.
        reason: Unpriced,
    },
    /// A budget applies, and the provider may charge more than can be told beforehand.
    #[error(
        "`{member}` lets the provider do and charge more than can be told beforehand, and a budget \
         applies here: leave it out, or ask for dragoman.budgets.allow_unbounded"
    )]
    Unbounded {
        /// The member of the body.
        member: String,
    },
    /// A budget applies, the request names what the provider stores, and nobody knows how much of it
    /// the model can read.
    #[error(
        "the request refers to a conversation or a file that is not in it, a budget applies here, and \
         how much the model `{model}` can read is not known: set max_input_tokens in model_info"
    )]
    UnknownContext {
        /// As the client wrote it.
        model: String,
    },
}

impl From<budget::Refused> for Refusal {
    fn from(refused: budget::Refused) -> Self {
        Self::Budget(Box::new(refused))
    }
}

impl Refusal {
    /// Why the budgets did not admit a request for `model`.
    pub fn by_budget(not_admitted: budget::NotAdmitted, model: &str) -> Self {
        match not_admitted {
            budget::NotAdmitted::Refused(refused) => refused.into(),
            budget::NotAdmitted::Unpriced(reason) => Self::Unpriced {
                model: model.to_owned(),
                reason,
            },
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        let error = |kind| Self::new(kind, message.clone());
        match refusal {
            Refusal::NoKey | Refusal::MalformedKey | Refusal::UnknownKey => {
                error(ErrorKind::Authentication)
            }
            Refusal::ExpiredKey => error(ErrorKind::Authentication).code("expired_key"),
            Refusal::BlockedKey | Refusal::BlockedOwner(_) => {
                error(ErrorKind::Authentication).code("key_blocked")
            }
            Refusal::MasterOnly => error(ErrorKind::PermissionDenied),
            Refusal::RouteNotAllowed { .. } => {
                error(ErrorKind::PermissionDenied).code("key_route_access_denied")
            }
            Refusal::ModelNotAllowed { .. } => error(ErrorKind::PermissionDenied)
                .param("model")
                .code("key_model_access_denied"),
            Refusal::NoPlan(NoPlan::UnknownModel { .. }) => {
                error(ErrorKind::ModelNotFound).param("model")
            }
            Refusal::NoPlan(NoPlan::AllCoolingDown { retry_after, .. }) => {
                error(ErrorKind::RateLimit)
                    .code("all_deployments_in_cooldown")
                    .retry_after(retry_after)
            }
            Refusal::NoPlan(NoPlan::NoCredential { .. }) => {
                error(ErrorKind::Unavailable).code("provider_credential_unavailable")
            }
            Refusal::NoPlan(NoPlan::AllFull { .. }) => error(ErrorKind::RateLimit)
                .code("all_deployments_busy")
                .retry_after(1),
            Refusal::Budget(refused) => budget_error(&refused, message),
            Refusal::Limit(exceeded) => {
                let error = error(ErrorKind::RateLimit).tell(exceeded.headers());
                match exceeded.retry_after {
                    Some(seconds) => error.retry_after(seconds),
                    None => error,
                }
            }
            Refusal::Unpriced { .. } => error(ErrorKind::InvalidRequest)
                .param("model")
                .code("model_not_priced"),
            Refusal::Unbounded { member } => error(ErrorKind::InvalidRequest)
                .param(member)
                .code("cost_not_bounded"),
            Refusal::UnknownContext { .. } => error(ErrorKind::InvalidRequest)
                .param("model")
                .code("cost_not_bounded"),
        }
    }
}

/// A budget that is used up does not free itself before its window ends. One that is only held by
/// requests under way does in a moment, so clients are told to try again; the code tells the two apart.
fn budget_error(refused: &budget::Refused, message: String) -> ApiError {
    let error = ApiError::new(ErrorKind::InsufficientQuota, message).tell(refused.headers());
    if refused.is_contended() {
        return error
            .code("budget_reserved")
            .retry_after(CONTENDED_RETRY_SECONDS)
            .should_retry(true);
    }
    match refused.retry_after {
        Some(seconds) => error.retry_after(seconds),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(refusal: Refusal) -> ApiError {
        refusal.into()
    }

    #[test]
    fn a_key_s_fault_is_a_401() {
        for refusal in [Refusal::NoKey, Refusal::MalformedKey, Refusal::UnknownKey] {
            assert_eq!(error(refusal).status(), 401);
        }
    }

    #[test]
    fn an_unknown_model_is_a_404_that_names_the_field() {
        let error = error(Refusal::NoPlan(NoPlan::UnknownModel {
            alias: "nope".into(),
        }));
        assert_eq!(
            (error.status(), error.param.as_deref()),
            (404, Some("model"))
        );
        assert_eq!(error.message, "the model `nope` does not exist");
    }

    #[test]
    fn a_cooldown_says_when_to_come_back() {
        let error = error(Refusal::NoPlan(NoPlan::AllCoolingDown {
            alias: "m".into(),
            retry_after: 5,
        }));
        assert_eq!((error.status(), error.retry_after), (429, Some(5)));
    }

    #[test]
    fn a_missing_price_says_what_to_set() {
        let reason = crate::Price::default()
            .most(&crate::prices::Ceiling::default())
            .unwrap_err();
        let error = error(Refusal::Unpriced {
            model: "m".into(),
            reason,
        });
        assert_eq!(
            error.message,
            "the model `m` has no known price, which a budget needs: no price is known for input \
             tokens: set input_cost_per_token in model_info, or 0 if it is free"
        );
    }
}
