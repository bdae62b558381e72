//! Ids of calls that another provider made, in the form that a provider takes.

use std::borrow::Cow;

/// `id` with at most `max` characters, all of them ASCII letters, digits or among `also`. Equal ids stay
/// equal, and different ones different; one that fits stays as it is.
pub(crate) fn call_id<'a>(id: Cow<'a, str>, max: usize, also: &str) -> Cow<'a, str> {
    const HASH: usize = 17;
    let fits = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
    if !id.is_empty() && id.len() <= max && id.chars().all(fits) {
        return id;
    }
    let mut kept: String = id
        .chars()
        .take(max.saturating_sub(HASH))
        .map(|c| if fits(c) { c } else { '_' })
        .collect();
    kept.push_str(&format!("_{:016x}", hash(&id)));
    Cow::Owned(kept)
}

/// `id` as `length` ASCII letters and digits, for a provider that takes no other number of them.
pub(crate) fn short_call_id(id: &str, length: usize) -> Cow<'_, str> {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    if id.len() == length && id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Cow::Borrowed(id);
    }
    let mut rest = hash(id);
    let mut short = String::with_capacity(length);
    for _ in 0..length {
        let digit = usize::try_from(rest % 36).unwrap_or_default();
        short.push(DIGITS.get(digit).copied().unwrap_or(b'0').into());
        rest /= 36;
    }
    Cow::Owned(short)
}

/// FNV-1a: it has to tell ids of one conversation apart, nothing more.
fn hash(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_does_not_fit_is_replaced_by_one_that_does() {
        let owned = |id: &str| call_id(Cow::Owned(id.to_owned()), 64, "_-").into_owned();
        assert_eq!(owned("call_1-c"), "call_1-c");
        let long = "x".repeat(100);
        for id in ["", "a|b", "ü", "functions.f:0", &long] {
            let new = owned(id);
            assert!(new.len() <= 64 && !new.is_empty(), "{new}");
            assert!(
                new.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
                "{new}"
            );
        }
        assert_ne!(owned("a|b"), owned("a/b"));
        assert_ne!(owned(&long), owned(&format!("{long}y")));
    }

    #[test]
    fn a_short_id_has_the_length_that_is_asked_for() {
        assert_eq!(short_call_id("abcDEF123", 9), "abcDEF123");
        let made = short_call_id("call_1", 9);
        assert_eq!(made.len(), 9);
        assert!(made.bytes().all(|b| b.is_ascii_alphanumeric()), "{made}");
        assert_ne!(made, short_call_id("call_2", 9));
    }
}
