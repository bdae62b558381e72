//! Making keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dragoman_policy::KeyHash;

/// Random bytes of a key: 24 characters behind the prefix.
const RANDOM_BYTES: usize = 18;
const PREFIX: &str = "sk-";
const SHOWN: usize = 4;
const LONGEST: usize = 1_024;

/// A key that was just made, which is shown once. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey(String);

impl NewKey {
    /// A key that nobody can guess.
    pub fn random() -> std::io::Result<Self> {
        let mut random = [0_u8; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))))
    }

    /// A key that an operator chose, if it is one that clients can send: `sk-` and printable
    /// characters.
    pub fn chosen(key: &str) -> Option<Self> {
        let rest = key.strip_prefix(PREFIX)?;
        let fits = !rest.is_empty()
            && key.len() <= LONGEST
            && rest.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(key.to_owned()))
    }

    /// The key itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }

    /// What may be shown of it: `sk-...abcd`.
    pub fn name(&self) -> String {
        let rest = self.0.strip_prefix(PREFIX).unwrap_or(&self.0);
        // of a key as short as that there is nothing that may be shown
        let shown = rest
            .get(rest.len().saturating_sub(SHOWN)..)
            .filter(|_| rest.len() > 2 * SHOWN);
        format!("{PREFIX}...{}", shown.unwrap_or_default())
    }
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_key_is_long_and_unlike_any_other() {
        let key = NewKey::random().unwrap();
        assert!(key.expose().starts_with("sk-") && key.expose().len() >= 25);
        assert_ne!(key, NewKey::random().unwrap());
        assert!(key.expose().ends_with(&key.name()["sk-...".len()..]));
        assert!(!format!("{key:?}").contains("sk-"));
    }

    #[test]
    fn a_chosen_key_must_be_one_that_clients_can_send() {
        assert!(NewKey::chosen("sk-my-custom-key-1").is_some());
        for key in ["my-key", "sk-", "sk-with space", "sk-ü"] {
            assert_eq!(NewKey::chosen(key), None, "{key}");
        }
    }

    #[test]
    fn the_name_of_a_short_key_shows_nothing_of_it() {
        assert_eq!(NewKey::chosen("sk-1234").unwrap().name(), "sk-...");
    }
}
