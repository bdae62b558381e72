//! What operators write, and what our own processes tell each other.

use dragoman_proto::{Admission, AttemptReport, Facts, FilterConfig, Operation, spool};
use prost::Message;

/// A configuration is understood, with a report of it, or refused with words.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let environment = |name: &str| (name.len() % 2 == 0).then(|| format!("value of {name}"));
    match dragoman_config::load(text, &environment) {
        Ok(config) => assert!(!dragoman_config::report(&config).is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What reads at all reads the same once it is written again.
pub fn wire(data: &[u8]) {
    if let Ok(admission) = Admission::decode(data) {
        let again = Admission::decode(admission.encode().as_bytes());
        assert_eq!(again.ok(), Some(admission));
    }
    if let Ok(report) = AttemptReport::decode(data) {
        let again = AttemptReport::from_text(report.to_text().as_bytes());
        assert_eq!(again.as_ref(), Some(&report));
        let following = AttemptReport::following(report);
        assert!(!following.earlier.is_empty());
    }
    if let Some(line) = spool::Line::read(data) {
        let fields = [
            line.status,
            line.flags,
            line.started_ms,
            line.duration_ms,
            line.first_byte_ms,
            line.cluster,
            line.attempts,
            line.received,
            line.sent,
            line.report,
            Some(line.admission),
        ];
        let again = fields.map(|field| field.unwrap_or("-")).join("\t") + "\n";
        assert_eq!(spool::Line::read(again.as_bytes()), Some(line));
    }
    if let Ok(config) = serde_json::from_slice::<FilterConfig>(data) {
        let again = serde_json::to_vec(&config).expect("a configuration is JSON");
        assert_eq!(
            serde_json::from_slice::<FilterConfig>(&again).ok(),
            Some(config)
        );
    }
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(facts) = Facts::from_headers(|_| Some(text)) {
            let (_, value) = facts.to_header();
            assert_eq!(Facts::from_headers(|_| Some(&value)), Ok(facts));
        }
        if let Some(operation) = Operation::at(text) {
            assert_eq!(Operation::at(operation.path()), Some(operation));
        }
    }
}
