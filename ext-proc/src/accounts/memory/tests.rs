//! Accounts of one process, against the contract.

use std::sync::Arc;

use tonic::async_trait;

use super::*;
use crate::accounts::contract::{Bench, contract};

struct Fresh;

#[async_trait]
impl Bench for Fresh {
    async fn accounts(&self, options: WaitOptions, past: Arc<dyn Past>) -> Arc<dyn Accounts> {
        Arc::new(InProcess::with_past(options, past))
    }
}

contract!(async { Some(Fresh) });
