//! Which Redis answers, and whether it can have forgotten something.

use dragoman_policy::UnixMillis;

use super::REMEMBERED_MS;

/// How far back it is looked: settled requests are remembered for longer, so that none is charged
/// twice.
const FARTHEST_MS: u64 = REMEMBERED_MS - 120_000;

/// The servers that have answered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Of whom nothing is unknown, and when it answered last.
    known: Option<(String, UnixMillis)>,
    /// Who answered last.
    answered: Option<String>,
}

impl Memory {
    /// `server` answers at `now`. Since when it may lack something; `None` when it lacks nothing.
    pub(super) fn answered(&mut self, server: String, now: UnixMillis) -> Option<UnixMillis> {
        let since = match &mut self.known {
            Some((known, last)) if *known == server => {
                *last = now;
                None
            }
            Some((_, last)) => Some((*last).max(UnixMillis(now.0.saturating_sub(FARTHEST_MS)))),
            None => Some(now),
        };
        self.answered = Some(server);
        since
    }

    /// Who answered last lacks nothing any more.
    pub(super) fn reminded(&mut self) {
        let last = self.known.as_ref().map(|(_, last)| *last);
        let answered = self.answered.clone();
        self.known = answered.map(|server| (server, last.unwrap_or_default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_server_lacks_what_came_after_the_last_answer_of_the_one_before() {
        let mut memory = Memory::default();
        let mut answered = |server: &str, now| memory.answered(server.to_owned(), UnixMillis(now));
        assert_eq!(answered("a", 5), Some(UnixMillis(5)), "the first");
        memory.reminded();
        let mut answered = |server: &str, now| memory.answered(server.to_owned(), UnixMillis(now));
        assert_eq!(answered("a", 6), None);
        assert_eq!(answered("b", 9), Some(UnixMillis(6)));
        assert_eq!(
            answered("b", 10),
            Some(UnixMillis(6)),
            "until it is reminded"
        );
        memory.reminded();
        assert_eq!(memory.answered("b".to_owned(), UnixMillis(11)), None);
    }
}
