//! Who goes first, on paused time.

use dragoman_policy::{BudgetRef, Scope};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;
use crate::accounts::contract::scene::{account, budget, nanos, request};

/// Has so many places; who gets one keeps it. Notes who was let in.
#[derive(Default)]
struct Counter {
    places: AtomicUsize,
    admitted: Mutex<Vec<String>>,
}

impl Desk for Counter {
    async fn attempt(&self, request: &AdmitRequest, turn: Turn) -> Result<Attempt, AccountsError> {
        let taken = self
            .places
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if taken.is_ok() {
            let name = format!("{} of {}", request.request_id, turn.waiting);
            self.admitted.lock().unwrap().push(name);
            return Ok(Attempt::Granted(Granted {
                reserved: nanos(0),
                output_cap: None,
                rates: Default::default(),
                budgets: Vec::new(),
                warnings: Vec::new(),
            }));
        }
        Ok(Attempt::Contended(Refusal::NoKey))
    }
}

struct Scene {
    line: Line,
    counter: Counter,
}

impl Scene {
    fn new(options: WaitOptions) -> Arc<Self> {
        Arc::new(Self {
            line: Line::new(options, None),
            counter: Counter::default(),
        })
    }

    /// Lets `name` ask, and gives it time to get in line.
    async fn ask(
        self: &Arc<Self>,
        name: &str,
        budget: &BudgetRef,
    ) -> JoinHandle<Result<Granted, AccountsError>> {
        let scene = Arc::clone(self);
        let request = request(name, std::slice::from_ref(budget), 10);
        let asking = tokio::spawn(async move { scene.line.admit(&scene.counter, &request).await });
        sleep(Duration::from_millis(1)).await;
        asking
    }

    async fn open(&self, places: usize) {
        self.counter.places.fetch_add(places, Ordering::SeqCst);
        self.line.stir();
        sleep(Duration::from_millis(1)).await;
    }

    fn admitted(&self) -> Vec<String> {
        self.counter.admitted.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn who_came_first_goes_first_and_nobody_passes() {
    let scene = Scene::new(WaitOptions::default());
    let key = budget(Scope::Key, 100);
    let first = scene.ask("first", &key).await;
    let second = scene.ask("second", &key).await;
    // A place is free, but those in line come before.
    scene.counter.places.store(1, Ordering::SeqCst);
    let third = scene.ask("third", &key).await;
    assert!(scene.admitted().is_empty());
    scene.open(2).await;
    assert_eq!(
        scene.admitted(),
        ["first of 3", "second of 2", "third of 1"]
    );
    for asked in [first, second, third] {
        assert!(asked.await.unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_another_budget_is_not_in_the_way() {
    let scene = Scene::new(WaitOptions::default());
    let other = BudgetRef {
        account: account(Scope::Team),
        ..budget(Scope::Key, 100)
    };
    let _waits = scene.ask("waits", &budget(Scope::Key, 100)).await;
    scene.counter.places.store(1, Ordering::SeqCst);
    let passes = scene.ask("passes", &other).await;
    assert!(passes.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_lets_the_next_try() {
    let scene = Scene::new(WaitOptions::default());
    let key = budget(Scope::Key, 100);
    let gives_up = scene.ask("gives up", &key).await;
    let next = scene.ask("next", &key).await;
    scene.counter.places.store(1, Ordering::SeqCst);
    gives_up.abort();
    assert!(next.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn waiting_and_the_line_are_bounded() {
    let scene = Scene::new(WaitOptions {
        patience: Duration::from_secs(5),
        longest: 1,
    });
    let key = budget(Scope::Key, 100);
    let began = Instant::now();
    let waits = scene.ask("waits", &key).await;
    let turned_away = scene.ask("turned away", &key).await;
    assert!(turned_away.is_finished());
    assert!(waits.await.unwrap().is_err());
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(scene.line.length.load(Ordering::SeqCst), 0);
}
