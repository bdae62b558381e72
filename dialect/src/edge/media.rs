//! What files come to: an image, so much sound, so much of a document, or nobody knows.

use base64::Engine;

/// Bytes of a second of sound in the thriftiest codecs that are in use for speech: AMR has 4.75 kbit/s,
/// Opus 6. Silence can be packed tighter, which is the known exception.
const BYTES_PER_SECOND: u64 = 500;
/// The same for MP3, whose lowest rate is 8 kbit/s.
const MP3_BYTES_PER_SECOND: u64 = 1000;
/// Characters of base64 in which a header is looked for.
const HEADER: usize = 256;

/// What a file is, as far as it can be told without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    /// A picture.
    Image,
    /// Sound of at most so many milliseconds.
    Sound(u64),
    /// Text, pages or film: so many bytes of base64 or of text.
    Document(usize),
    /// It is elsewhere.
    Elsewhere,
}

/// What stands where the address of an image is expected. Some providers read other files there too.
pub(super) fn at_image_url(text: &str) -> Medium {
    match text.strip_prefix("data:") {
        Some(data) if data.starts_with("audio/") => sound(data),
        Some(data) if !data.starts_with("image/") => Medium::Document(text.len()),
        None if is_other_file(text) => Medium::Elsewhere,
        _ => Medium::Image,
    }
}

/// What a member for the content of a file holds.
pub(super) fn of_file(text: &str) -> Medium {
    if text.starts_with("http") || text.starts_with("gs:") {
        return Medium::Elsewhere;
    }
    if ["data:image/", "iVBOR", "/9j/", "R0lGOD"]
        .iter()
        .any(|start| text.starts_with(start))
        || is_webp(text)
    {
        return Medium::Image;
    }
    match text.strip_prefix("data:audio/") {
        Some(_) => sound(text),
        None => Medium::Document(text.len()),
    }
}

/// Sound in base64, with or without `data:` in front.
pub(super) fn sound(text: &str) -> Medium {
    let data = text.split_once("base64,").map_or(text, |(_, data)| data);
    let head = data
        .get(..HEADER.min(data.len() / 4 * 4))
        .unwrap_or_default();
    let head = base64::engine::general_purpose::STANDARD
        .decode(head)
        .unwrap_or_default();
    Medium::Sound(longest_ms((data.len() / 4 * 3 + 3) as u64, &head))
}

/// The most milliseconds that `bytes` of sound can last, which begin with `head`.
pub(super) fn longest_ms(bytes: u64, head: &[u8]) -> u64 {
    let per_second = match head {
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'A',
            b'V',
            b'E',
            chunks @ ..,
        ] => uncompressed(chunks).unwrap_or(BYTES_PER_SECOND),
        [b'I', b'D', b'3', ..] | [0xFF, 0xE0..=0xFF, ..] => MP3_BYTES_PER_SECOND,
        _ => BYTES_PER_SECOND,
    };
    bytes.saturating_mul(1000).div_ceil(per_second.max(1))
}

/// Bytes of a second as the `fmt ` chunk of a WAVE file tells it; `None` where it is compressed.
fn uncompressed(mut chunks: &[u8]) -> Option<u64> {
    loop {
        let (name, rest) = chunks.split_first_chunk::<4>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        if name != b"fmt " {
            let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
            chunks = rest.get(size.checked_next_multiple_of(2)?..)?;
            continue;
        }
        let (format, rest) = rest.split_first_chunk::<2>()?;
        let (channels, rest) = rest.split_first_chunk::<2>()?;
        let (rate, rest) = rest.split_first_chunk::<4>()?;
        let bits = rest.get(6..)?.first_chunk::<2>()?;
        // PCM, floating point, A-law, µ-law, and what only says that there is more to say
        if !matches!(u16::from_le_bytes(*format), 1 | 3 | 6 | 7 | 0xFFFE) {
            return None;
        }
        let of_sample = u64::from(u16::from_le_bytes(*bits) / 8).max(1);
        let of_moment = u64::from(u16::from_le_bytes(*channels)).max(1) * of_sample;
        return Some(u64::from(u32::from_le_bytes(*rate)).max(1) * of_moment);
    }
}

/// `RIFF`, whose size is anything, and `WEBP` behind it.
fn is_webp(text: &str) -> bool {
    let head = text.get(..16).unwrap_or_default();
    let head = base64::engine::general_purpose::STANDARD.decode(head);
    head.is_ok_and(|head| head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP"))
}

/// Whether an address is that of something else than a picture: by its ending, or because it is where
/// Google keeps uploads and films.
fn is_other_file(address: &str) -> bool {
    const ENDINGS: [&str; 26] = [
        "pdf", "txt", "html", "csv", "json", "xml", "md", "mp4", "mpeg", "mpg", "mov", "avi",
        "flv", "webm", "wmv", "3gp", "3gpp", "mp3", "wav", "flac", "ogg", "oga", "aac", "aiff",
        "m4a", "opus",
    ];
    const PLACES: [&str; 4] = [
        "gs:",
        "https://generativelanguage.googleapis.com/",
        "https://www.youtube.com/",
        "https://youtu.be/",
    ];
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    PLACES.iter().any(|place| address.starts_with(place))
        || ENDINGS
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(format: u16, rate: u32) -> Vec<u8> {
        let mut head = b"RIFF\0\0\0\0WAVEJUNK\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        head.extend(format.to_le_bytes());
        head.extend(1_u16.to_le_bytes());
        head.extend(rate.to_le_bytes());
        head.extend([0; 6]);
        head.extend(16_u16.to_le_bytes());
        head
    }

    #[test]
    fn uncompressed_sound_lasts_as_long_as_its_header_says() {
        assert_eq!(longest_ms(32_000, &wave(1, 16_000)), 1000);
        let text = base64::engine::general_purpose::STANDARD.encode(wave(1, 16_000));
        let whole = format!("{text}{}", "A".repeat(64_000));
        let second = sound(&whole[..42_664]);
        assert!(matches!(second, Medium::Sound(1000..1010)), "{second:?}");
    }

    #[test]
    fn compressed_sound_is_taken_at_the_lowest_rate() {
        assert_eq!(longest_ms(1000, b"ID3"), 1000);
        assert_eq!(longest_ms(1000, &[0xFF, 0xFB]), 1000);
        assert_eq!(longest_ms(1000, b"OggS"), 2000);
        assert_eq!(longest_ms(1000, &wave(0x31, 8_000)), 2000);
        assert_eq!(longest_ms(1000, b"RIFF"), 2000);
    }

    #[test]
    fn a_header_that_claims_nothing_is_no_division_by_zero() {
        assert_eq!(longest_ms(10, &wave(1, 0)), 5000);
    }

    #[test]
    fn what_is_no_picture_is_not_counted_as_one() {
        assert_eq!(at_image_url("data:image/png;base64,AAAA"), Medium::Image);
        assert_eq!(at_image_url("https://a.test/b.png?x=c.pdf"), Medium::Image);
        assert_eq!(at_image_url("https://a.test/b.pdf?x=1"), Medium::Elsewhere);
        assert_eq!(at_image_url("gs://bucket/film"), Medium::Elsewhere);
        let film = "data:video/mp4;base64,AAAA";
        assert_eq!(at_image_url(film), Medium::Document(film.len()));
        assert_eq!(of_file("UklGRgAAAABXRUJQVlA4"), Medium::Image);
        assert_eq!(of_file("UklGRgAAAABXQVZFAAAA"), Medium::Document(20));
    }
}
