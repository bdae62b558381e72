//! The reader, on files as Envoy writes them, with paused time.

use std::os::unix::fs::MetadataExt;

use dragoman_proto::Admission;

use super::*;
use crate::ledger::{LedgerWriter, SqlLedger, WriterGuard, WriterOptions};
use crate::settlement::NoObserver;
use crate::settlement::fixture::{Prices, admission};

struct Scene {
    ledger: Arc<SqlLedger>,
    settlement: Settlement,
    spool: Spool,
    folder: tempfile::TempDir,
    _guard: WriterGuard,
}

async fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqlLedger::open(&folder.path().join("ledger"))
        .await
        .unwrap();
    let ledger = Arc::new(ledger);
    let (writer, guard) = LedgerWriter::start(ledger.clone(), WriterOptions::default());
    let mut settlement = Settlement::new(writer, Arc::new(Prices), Arc::new(NoObserver));
    let file = folder.path().join("requests.log");
    let spool = Spool::new(&file, &mut settlement, ledger.clone());
    Scene {
        ledger,
        settlement,
        spool,
        folder,
        _guard: guard,
    }
}

fn line_of(id: &str) -> String {
    let admission = Admission {
        request_id: id.to_owned(),
        ..admission(false)
    };
    format!(
        "200{}\t1\t-\t-\t-\t{}\n",
        "\t-".repeat(5),
        admission.encode()
    )
}

impl Scene {
    fn write(&self, text: &str) {
        use std::io::Write;
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&self.spool.file);
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// All that is in the file is settled and written.
    async fn settle(&mut self) {
        self.spool.fetch().unwrap();
        for waiting in &mut self.spool.waiting {
            waiting.since -= BEHIND;
        }
        self.spool.turn().await.unwrap();
        while self.settlement.ledger.health().waiting > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn has(&self, id: &str) -> bool {
        self.ledger.request(id).await.unwrap().is_some()
    }
}

#[tokio::test]
async fn what_the_stream_did_not_bring_is_settled_from_the_file() {
    let mut scene = scene().await;
    scene.write(&line_of("lost"));
    scene.settle().await;
    assert!(scene.has("lost").await);
}

#[tokio::test]
async fn what_the_stream_brought_is_passed_over() {
    let mut scene = scene().await;
    scene.spool.seen.note("brought");
    scene.write(&line_of("brought"));
    scene.settle().await;
    assert!(!scene.has("brought").await, "it was settled again");
    assert!(scene.spool.seen.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_line_waits_for_the_stream_and_for_its_own_end() {
    let mut scene = scene().await;
    let line = line_of("slow");
    let (half, rest) = line.split_at(20);
    scene.write(half);
    scene.spool.turn().await.unwrap();
    assert!(scene.spool.waiting.is_empty());
    scene.write(rest);
    scene.spool.turn().await.unwrap();
    assert_eq!(scene.spool.waiting.len(), 1);
    scene.settle().await;
    assert!(scene.has("slow").await);
}

#[tokio::test]
async fn a_damaged_line_does_not_stop_the_others() {
    let mut scene = scene().await;
    scene.write(&format!("{}{{\"admission\n{}", line_of("a"), line_of("b")));
    scene.settle().await;
    assert!(scene.has("a").await && scene.has("b").await);
}

#[tokio::test]
async fn space_is_freed_and_the_next_process_goes_on_behind_it() {
    let mut scene = scene().await;
    let long = "x".repeat(usize::try_from(WORTH_CUTTING).unwrap());
    scene.write(&format!("{}{long}\n", line_of("a")));
    scene.settle().await;
    scene.spool.turn().await.unwrap();
    let file = std::fs::metadata(&scene.spool.file).unwrap();
    assert!(file.blocks() * 512 < file.len() / 2, "nothing was freed");
    scene.write(&line_of("b"));
    let file = scene.folder.path().join("requests.log");
    let mut settlement = scene.settlement.clone();
    scene.spool = Spool::new(&file, &mut settlement, scene.ledger.clone());
    scene.settle().await;
    assert!(scene.has("b").await);
    assert_eq!(scene.spool.settled, std::fs::metadata(&file).unwrap().len());
}
