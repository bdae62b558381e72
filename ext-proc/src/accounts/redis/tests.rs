//! Accounts in a real Redis, against the contract and against accidents.

use std::slice::from_ref;
use std::sync::Arc;

use dragoman_policy::Scope;
use tonic::async_trait;

use super::server::RedisServer;
use super::*;
use crate::accounts::NoPast;
use crate::accounts::contract::scene::{
    AT_ONCE, admit, balance, budget, charge, nanos, request, settlement,
};
use crate::accounts::contract::{Bench, contract};
use crate::accounts::{PastError, Settled, Spent};

#[async_trait]
impl Bench for RedisServer {
    async fn accounts(&self, options: WaitOptions, past: Arc<dyn Past>) -> Arc<dyn Accounts> {
        Arc::new(RedisAccounts::open(&self.url(), NAMESPACE, options, past).unwrap())
    }
}

contract!(RedisServer::start());

#[tokio::test]
async fn nobody_passes_while_redis_is_away_and_all_is_well_when_it_is_back() {
    let Some(mut server) = RedisServer::start_with(&["--appendonly", "yes"]).await else {
        return;
    };
    let accounts = server.accounts(AT_ONCE, Arc::new(NoPast)).await;
    let key = budget(Scope::Key, 1_000);
    admit(&*accounts, request("a", from_ref(&key), 90)).await;
    charge(&*accounts, &settlement("a", 40)).await;
    admit(&*accounts, request("b", from_ref(&key), 90)).await;
    server.kill();
    for _ in 0..2 {
        let refused = accounts.admit(request("c", from_ref(&key), 90)).await;
        let dependency = "redis";
        assert_eq!(refused, Err(AccountsError::Unavailable { dependency }));
    }
    assert!(accounts.health().await.is_err());
    server.restart().await;
    wait_for(&*accounts).await;
    assert_eq!(balance(&*accounts, &key).await, (40, 100));
    charge(&*accounts, &settlement("b", 70)).await;
    admit(&*accounts, request("c", from_ref(&key), 90)).await;
    assert_eq!(balance(&*accounts, &key).await, (110, 100));
}

async fn wait_for(accounts: &dyn Accounts) {
    for _ in 0..200 {
        if accounts.health().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the connection does not come back");
}

/// The ledger says the same of every account.
struct Ledger(u64);

#[async_trait]
impl Past for Ledger {
    async fn spent(&self, _: &AccountWindow) -> Result<Spent, PastError> {
        Ok(Spent {
            amount: nanos(self.0),
            position: 5,
        })
    }
}

#[tokio::test]
async fn a_redis_that_forgot_everything_is_told_by_the_ledger() {
    let Some(mut server) = RedisServer::start().await else {
        return;
    };
    let accounts = server.accounts(AT_ONCE, Arc::new(Ledger(300))).await;
    let key = budget(Scope::Key, 1_000);
    admit(&*accounts, request("a", from_ref(&key), 90)).await;
    server.kill();
    server.restart().await;
    wait_for(&*accounts).await;
    let lost = accounts.settle(&settlement("a", 60)).await.unwrap();
    assert_eq!(lost, Settled::Unknown);
    let budgets = from_ref(&key);
    for (name, position) in [("in the sum", 5), ("a", 6)] {
        let charged = accounts
            .charge(&settlement(name, 60), position, budgets)
            .await;
        assert!(matches!(charged, Ok(Settled::Charged(_))));
    }
    assert_eq!(balance(&*accounts, &key).await, (360, 0));
}

#[tokio::test]
async fn an_admission_that_nobody_waits_for_holds_nothing() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let accounts = server.accounts(AT_ONCE, Arc::new(NoPast)).await;
    let key = budget(Scope::Key, 1_000_000);
    assert_eq!(balance(&*accounts, &key).await, (0, 0));
    for n in 0..50 {
        let admitting = accounts.admit(request(&n.to_string(), from_ref(&key), 90));
        let hurry = Duration::from_micros(n * 20);
        let _ = tokio::time::timeout(hurry, admitting).await.map(drop);
        accounts.release(&n.to_string()).await.unwrap();
    }
    for _ in 0..100 {
        if balance(&*accounts, &key).await == (0, 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("something is held");
}

/// Three nodes that share the slots; `None` where there is no Redis.
async fn cluster() -> Option<Vec<RedisServer>> {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(RedisServer::start_with(&["--cluster-enabled", "yes"]).await?);
    }
    let shares = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];
    for (node, (first, last)) in nodes.iter().zip(shares) {
        let tell = |command: &mut redis::Cmd| {
            let client = redis::Client::open(node.url()).unwrap();
            command.exec(&mut client.get_connection().unwrap()).unwrap();
        };
        let share = ["ADDSLOTSRANGE", &first.to_string(), &last.to_string()];
        tell(redis::cmd("CLUSTER").arg(&share));
        for other in &nodes {
            let meet = ["MEET", "127.0.0.1", &other.port().to_string()];
            tell(redis::cmd("CLUSTER").arg(&meet));
        }
    }
    Some(nodes)
}

#[tokio::test]
async fn a_cluster_holds_all_keys_in_one_slot() {
    let Some(nodes) = cluster().await else {
        return;
    };
    let all: Vec<String> = nodes.iter().map(RedisServer::url).collect();
    let one = format!("redis+cluster://127.0.0.1:{}", nodes[2].port());
    for (name, url) in [("by all", all.join(",")), ("by one", one)] {
        let accounts = RedisAccounts::open(&url, name, AT_ONCE, Arc::new(NoPast)).unwrap();
        wait_for(&accounts).await;
        let (key, team) = (budget(Scope::Key, 1_000), budget(Scope::Team, 1_000));
        admit(&accounts, request("a", &[key.clone(), team.clone()], 90)).await;
        charge(&accounts, &settlement("a", 60)).await;
        assert_eq!(balance(&accounts, &key).await, (60, 0));
        assert_eq!(balance(&accounts, &team).await, (60, 0));
        assert!(accounts.forgetful_since().await.unwrap().is_some());
        accounts.reminded();
        assert_eq!(accounts.forgetful_since().await.unwrap(), None);
    }
}

#[tokio::test]
async fn two_replicas_share_one_budget() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let one = server.accounts(AT_ONCE, Arc::new(NoPast)).await;
    let other = server.accounts(AT_ONCE, Arc::new(NoPast)).await;
    let key = budget(Scope::Key, 199);
    admit(&*one, request("a", from_ref(&key), 90)).await;
    let cap = admit(&*other, request("b", from_ref(&key), 90))
        .await
        .output_cap;
    assert_eq!(cap, Some(89));
    charge(&*other, &settlement("a", 100)).await;
    charge(&*one, &settlement("b", 99)).await;
    assert_eq!(balance(&*one, &key).await, (199, 0));
    let again = other.settle(&settlement("b", 99)).await.unwrap();
    assert_eq!(again, Settled::Already);
}

#[tokio::test]
async fn a_refusal_by_a_budget_says_how_it_stands() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let accounts = server.accounts(AT_ONCE, Arc::new(NoPast)).await;
    let key = budget(Scope::Key, 20);
    admit(&*accounts, request("a", from_ref(&key), 1)).await;
    charge(&*accounts, &settlement("a", 11)).await;
    let large = AdmitRequest {
        min_output_tokens: 90,
        ..request("b", from_ref(&key), 90)
    };
    let Err(AccountsError::Refused(refused)) = accounts.admit(large).await else {
        panic!("not refused");
    };
    let said = refused.to_string();
    assert!(
        said.contains("$0.000000011 of $0.00000002 is spent"),
        "{said}"
    );
    assert_eq!(balance(&*accounts, &key).await, (11, 0));
}

#[tokio::test]
async fn a_connection_with_tls_does_not_end_the_process() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let url = server.url().replace("redis://", "rediss://");
    let accounts = RedisAccounts::open(&url, NAMESPACE, AT_ONCE, Arc::new(NoPast)).unwrap();
    assert!(accounts.health().await.is_err());
}
