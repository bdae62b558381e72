//! What crashes took from the accounts, and the ledger gives back.

use std::slice::from_ref;

use dragoman_policy::budget::AccountWindow;
use dragoman_policy::{NanoDollars, Scope};

use super::*;
use crate::accounts::contract::scene::{
    AT_ONCE, admit, balance, budget, charge, request, settlement,
};
use crate::accounts::redis::server::RedisServer;
use crate::accounts::{InProcess, NAMESPACE, NoPast, Past, RedisAccounts, Spent};
use crate::clock;
use crate::ledger::contract::record;
use crate::ledger::{Batch, SqlLedger, WriterGuard, WriterOptions};

/// One budget applies to every request.
struct Always(BudgetRef);

#[async_trait]
impl BudgetsOf for Always {
    async fn budgets_of(&self, _: &RequestRow) -> Result<Vec<BudgetRef>, PastError> {
        Ok(vec![self.0.clone()])
    }
}

/// All that the ledger has belongs to every account.
struct All(Arc<SqlLedger>);

#[async_trait]
impl Past for All {
    async fn spent(&self, _: &AccountWindow) -> Result<Spent, PastError> {
        let standing = self.0.standing(&RequestFilter::default()).await;
        let standing = standing.map_err(|error| PastError(Box::new(error)))?;
        Ok(Spent {
            amount: standing.totals.cost,
            position: standing.position,
        })
    }
}

struct Books {
    ledger: Arc<SqlLedger>,
    writer: LedgerWriter,
    _guard: WriterGuard,
    folder: tempfile::TempDir,
}

impl Books {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = SqlLedger::open(&folder.path().join("ledger.db")).await;
        let ledger = Arc::new(ledger.unwrap());
        let (writer, _guard) = LedgerWriter::start(ledger.clone(), WriterOptions::default());
        Self {
            ledger,
            writer,
            _guard,
            folder,
        }
    }

    /// A request that ended `ago` milliseconds ago is recorded.
    async fn record(&self, id: &str, cost: u64, ago: u64) {
        let mut record = record(id, clock::now_ms() - ago);
        record.request.charge.cost = Some(NanoDollars::new(cost));
        record.request.timing.duration_ms = 0;
        self.ledger.record(&Batch::new(vec![record])).await.unwrap();
    }

    fn with(&self, accounts: &Arc<dyn Accounts>, key: &BudgetRef) -> Reconciler {
        let ledger = Arc::clone(&self.ledger);
        let budgets = Arc::new(Always(key.clone()));
        Reconciler::new(Arc::clone(accounts), ledger, budgets, self.writer.clone())
    }
}

#[tokio::test]
async fn a_journal_takes_up_what_only_the_ledger_knows() {
    let books = Books::open().await;
    let file = books.folder.path().join("accounts.db");
    let start = async || InProcess::journaled(AT_ONCE, Arc::new(NoPast), &file).await;
    let (accounts, guard) = start().await.unwrap();
    accounts.reminded();
    let key = budget(Scope::Key, 1_000);
    admit(&accounts, request("held", from_ref(&key), 90)).await;
    admit(&accounts, request("settled", from_ref(&key), 90)).await;
    drop(accounts);
    guard.drain().await;
    let (accounts, _guard) = start().await.unwrap();
    accounts.forgetful_since().await.unwrap().unwrap();
    accounts.settle(&settlement("settled", 30)).await.unwrap();
    let accounts: Arc<dyn Accounts> = Arc::new(accounts);
    for (name, cost, ago) in [
        ("held", 40, 500_000),
        ("lost", 70, 0),
        ("long ago", 9, 600_000),
    ] {
        books.record(name, cost, ago).await;
    }
    let reconciler = books.with(&accounts, &key);
    for _ in 0..2 {
        reconciler.remind().await.unwrap();
        assert_eq!(balance(&*accounts, &key).await, (140, 0));
    }
}

#[tokio::test]
async fn redis_takes_up_what_only_the_ledger_knows() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let books = Books::open().await;
    let accounts = redis(&server, Arc::new(NoPast));
    let key = budget(Scope::Key, 1_000);
    for name in ["held", "settled"] {
        admit(&*accounts, request(name, from_ref(&key), 90)).await;
    }
    charge(&*accounts, &settlement("settled", 30)).await;
    for (name, cost, ago) in [
        ("held", 40, 500_000),
        ("lost", 70, 0),
        ("settled", 30, 0),
        ("long ago", 9, 600_000),
    ] {
        books.record(name, cost, ago).await;
    }
    let reconciler = books.with(&accounts, &key);
    for _ in 0..2 {
        reconciler.remind().await.unwrap();
        assert_eq!(balance(&*accounts, &key).await, (140, 0));
    }
}

fn redis(server: &RedisServer, past: Arc<dyn Past>) -> Arc<dyn Accounts> {
    let accounts = RedisAccounts::open(&server.url(), NAMESPACE, AT_ONCE, past);
    Arc::new(accounts.unwrap())
}

#[tokio::test]
async fn replicas_that_start_at_once_charge_once() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let books = Books::open().await;
    let key = budget(Scope::Key, 100_000);
    let before = redis(&server, Arc::new(NoPast));
    for n in 0..50 {
        let name = format!("r{n}");
        admit(&*before, request(&name, from_ref(&key), 90)).await;
        books.record(&name, 7, 0).await;
    }
    let starts = (0..4).map(|_| async {
        let accounts = redis(&server, Arc::new(NoPast));
        books.with(&accounts, &key).remind().await.unwrap();
    });
    futures::future::join_all(starts).await;
    assert_eq!(balance(&*before, &key).await, (350, 0));
}

#[tokio::test]
async fn what_ended_is_not_charged_in_full_when_its_time_is_over() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let books = Books::open().await;
    let key = budget(Scope::Key, 1_000);
    let accounts = redis(&server, Arc::new(NoPast));
    let reconciler = books.with(&accounts, &key);
    reconciler.remind().await.unwrap();
    for name in ["ended", "lost"] {
        admit(&*accounts, request(name, from_ref(&key), 90)).await;
    }
    books.record("ended", 40, 0).await;
    let expired = reconciler.expire(UnixMillis(clock::now_ms())).await;
    let expired: Vec<_> = expired.unwrap().into_iter().map(|e| e.request_id).collect();
    assert_eq!(expired, [Arc::from("lost")]);
    assert_eq!(balance(&*accounts, &key).await, (140, 0));
}

/// Redis and the database are away together: what was settled and not yet recorded is in no sum.
#[tokio::test]
async fn a_redis_that_forgot_all_counts_what_the_ledger_gets_late_and_nothing_twice() {
    let Some(mut server) = RedisServer::start().await else {
        return;
    };
    let books = Books::open().await;
    let key = budget(Scope::Key, 1_000);
    let accounts = redis(&server, Arc::new(All(Arc::clone(&books.ledger))));
    let reconciler = books.with(&accounts, &key);
    reconciler.remind().await.unwrap();
    for name in ["early", "late", "under way"] {
        admit(&*accounts, request(name, from_ref(&key), 90)).await;
    }
    charge(&*accounts, &settlement("early", 40)).await;
    charge(&*accounts, &settlement("late", 50)).await;
    books.record("early", 40, 0).await;
    server.kill();
    server.restart().await;
    while accounts.health().await.is_err() {
        sleep(PAUSE).await;
    }
    admit(&*accounts, request("next", from_ref(&key), 90)).await;
    assert_eq!(balance(&*accounts, &key).await, (40, 100));
    books.record("late", 50, 0).await;
    for _ in 0..2 {
        reconciler.remind().await.unwrap();
        assert_eq!(balance(&*accounts, &key).await, (90, 100));
    }
}
