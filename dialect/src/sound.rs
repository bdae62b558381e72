//! How long sound lasts, by what its file says of itself: for providers that charge by the second and
//! do not tell how many there were.

use memchr::memmem;

/// Bytes of a second where a file does not tell: speech at 32 kbit/s.
const USUAL_RATE: u64 = 4_000;
/// Fewer bytes of a second are not believed: what a client sends is reserved for at this rate.
const SLOWEST_RATE: u64 = 500;
/// Bytes of a second at MP3's lowest rate.
const SLOWEST_MP3_RATE: u64 = 1000;
/// Bytes of a file's beginning in which its kind and rate are looked for.
pub(crate) const HEAD: usize = 4096;
/// Bytes of a second of OpenAI's `pcm`: 24,000 samples of 16 bits.
const RAW_RATE: u64 = 48_000;
/// How fast speech goes.
const CHARACTERS_PER_SECOND: u64 = 15;

/// The milliseconds of a file.
pub(crate) fn milliseconds(file: &[u8]) -> u64 {
    let mut listener = Listener::default();
    listener.hear(file);
    listener.milliseconds()
}

/// The most milliseconds that a [`Listener`] makes of a file of up to `bytes` that begins with `head`:
/// all of it, or [`HEAD`] bytes.
pub(crate) fn longest(bytes: u64, head: &[u8]) -> u64 {
    let slowest = match Mark::of(head) {
        Some(Mark::Frame) => SLOWEST_MP3_RATE,
        Some(Mark::LastPage | Mark::Movie) => SLOWEST_RATE,
        None if head.starts_with(b"fLaC") => SLOWEST_RATE,
        None => rate(head).unwrap_or(USUAL_RATE),
    };
    lasting(bytes, slowest)
}

/// A file that passes, and how long it lasts.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    bytes: u64,
    /// Its beginning.
    head: Vec<u8>,
    /// Its last bytes, among which a mark may begin.
    tail: Vec<u8>,
    /// The mark that tells, with what follows it.
    mark: Vec<u8>,
}

/// What tells the length of a file, and is not at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Of Ogg: the last page's head.
    LastPage,
    /// Of MP4: the head of the movie.
    Movie,
    /// Of MP3: the first frame, behind the tag.
    Frame,
}

impl Mark {
    fn of(head: &[u8]) -> Option<Self> {
        match head.first_chunk::<4>()? {
            b"OggS" => Some(Self::LastPage),
            [b'I', b'D', b'3', _] => Some(Self::Frame),
            _ if head.get(4..8) == Some(b"ftyp") => Some(Self::Movie),
            _ => None,
        }
    }

    /// Bytes of it that are read.
    const fn length(self) -> usize {
        match self {
            Self::LastPage => 14,
            Self::Movie => 36,
            Self::Frame => 3,
        }
    }
}

impl Listener {
    /// Hears the file's next bytes.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        let before = self.head.len();
        let room = HEAD.saturating_sub(before).min(bytes.len());
        self.head
            .extend_from_slice(bytes.get(..room).unwrap_or_default());
        match Mark::of(&self.head) {
            Some(Mark::Frame) => self.reach(bytes),
            Some(mark) => {
                if self.tail.is_empty() {
                    let first = self.head.get(..before).unwrap_or_default();
                    self.tail.extend_from_slice(first);
                }
                self.tail.extend_from_slice(bytes);
                self.look(mark);
            }
            None => {}
        }
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
    }

    /// The milliseconds so far.
    pub(crate) fn milliseconds(&self) -> u64 {
        let told = match Mark::of(&self.head) {
            Some(Mark::LastPage) => ogg(&self.head, &self.mark),
            Some(Mark::Movie) => mp4(&self.mark),
            Some(Mark::Frame) => None,
            None => flac(&self.head),
        };
        let rate = || match Mark::of(&self.head) {
            Some(Mark::Frame) => frame(&self.mark),
            _ => rate(&self.head),
        };
        match told {
            Some(ms) => ms.min(lasting(self.bytes, SLOWEST_RATE)),
            None => lasting(self.bytes, rate().unwrap_or(USUAL_RATE)),
        }
    }

    /// Looks for the mark: the last of them, or the first.
    fn look(&mut self, mark: Mark) {
        let length = mark.length();
        let whole = (self.tail.len() + 4).saturating_sub(length);
        let among = self.tail.get(..whole).unwrap_or_default();
        let found = match mark {
            Mark::LastPage => memmem::rfind(among, b"OggS"),
            _ if self.mark.is_empty() => memmem::find(among, b"mvhd"),
            _ => None,
        };
        if let Some(found) = found.and_then(|at| self.tail.get(at..at + length)) {
            self.mark = found.to_vec();
        }
        let passed = (self.tail.len() + 1).saturating_sub(length);
        self.tail.drain(..passed);
    }

    /// Takes the first frame out of `bytes`, as far as it is there.
    fn reach(&mut self, bytes: &[u8]) {
        let wanted = Mark::Frame.length().saturating_sub(self.mark.len());
        let at = behind_tag(&self.head).map(|start| start + self.mark.len() as u64);
        let at = at.and_then(|at| usize::try_from(at.checked_sub(self.bytes)?).ok());
        let frame = at.and_then(|at| bytes.get(at..)).unwrap_or_default();
        let frame = frame.get(..wanted.min(frame.len())).unwrap_or_default();
        self.mark.extend_from_slice(frame);
    }
}

/// Speech that passes on its way to a client.
#[derive(Debug, Default)]
pub(crate) struct Speech {
    bytes: u64,
    /// Bytes of a second, as far as the beginning tells.
    rate: Option<u64>,
}

impl Speech {
    /// Hears the next `bytes` of sound of a `content_type`.
    pub(crate) fn hear(&mut self, content_type: &str, bytes: &[u8]) {
        if self.bytes == 0 {
            let raw = content_type.starts_with("audio/pcm");
            self.rate = if raw { Some(RAW_RATE) } else { rate(bytes) };
        }
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
    }

    /// The milliseconds so far, where the sound tells; else of all of the text, which has so many
    /// `characters`.
    pub(crate) fn milliseconds(&self, characters: u64) -> u64 {
        match self.rate {
            Some(rate) => lasting(self.bytes, rate),
            None => characters
                .saturating_mul(1000)
                .div_ceil(CHARACTERS_PER_SECOND),
        }
    }
}

fn lasting(bytes: u64, per_second: u64) -> u64 {
    bytes.saturating_mul(1000).div_ceil(per_second.max(1))
}

/// Bytes of a second, of sound whose bytes are spread evenly: WAVE, and MP3.
fn rate(head: &[u8]) -> Option<u64> {
    if head.starts_with(b"RIFF") {
        let format = memmem::find(head.get(..HEAD.min(head.len()))?, b"fmt ")?;
        let per_second = number(head, format + 16, 4)?.swap_bytes() >> 32;
        return Some(per_second).filter(|rate| *rate > 0);
    }
    mp3(head)
}

/// The rate of MP3, also behind a tag that is in `head` whole.
fn mp3(head: &[u8]) -> Option<u64> {
    let start = match head.first_chunk::<3>()? {
        b"ID3" => usize::try_from(behind_tag(head)?).ok()?,
        _ => 0,
    };
    frame(head.get(start..)?)
}

/// Where the sound begins behind a tag: ten bytes, and as many as the last four of them say, seven bits
/// each.
fn behind_tag(head: &[u8]) -> Option<u64> {
    let size = head.get(6..10)?.iter();
    Some(10 + size.fold(0, |size, byte| size << 7 | u64::from(byte & 0x7F)))
}

/// ISO 11172-3, 2.4.2.3: sync, kind, layer; bit rate and sampling rate.
fn frame(frame: &[u8]) -> Option<u64> {
    /// Thousands of bits of a second in layer 3, of MPEG 1 and of the later kinds.
    const RATES: [[u64; 14]; 2] = [
        [
            32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
        ],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let [0xFF, kind, rates] = *frame.first_chunk::<3>()? else {
        return None;
    };
    // Eleven bits of sync, and layer 3.
    if kind & 0xE6 != 0xE2 {
        return None;
    }
    let later = usize::from(kind & 0x18 != 0x18);
    let index = usize::from(rates >> 4).checked_sub(1)?;
    Some(RATES.get(later)?.get(index)? * 125)
}

/// RFC 9639, 8.2: rate and number of samples in the first block.
fn flac(file: &[u8]) -> Option<u64> {
    if !file.starts_with(b"fLaC") {
        return None;
    }
    let packed = number(file, 18, 8)?;
    let (rate, samples) = (packed >> 44, packed & 0xF_FFFF_FFFF);
    (rate > 0 && samples > 0).then(|| samples.saturating_mul(1000).div_ceil(rate))
}

/// RFC 3533, 6: the last page's position, in samples; Opus has 48,000 of a second (RFC 7845, 4).
fn ogg(file: &[u8], last_page: &[u8]) -> Option<u64> {
    let head = file.get(..256.min(file.len()))?;
    let rate = match memmem::find(head, b"\x01vorbis") {
        Some(at) => number(file, at + 12, 4)?.swap_bytes() >> 32,
        None => {
            memmem::find(head, b"OpusHead")?;
            48_000
        }
    };
    let samples = number(last_page, 6, 8)?.swap_bytes();
    let plausible = rate > 0 && samples > 0 && samples < u64::MAX / 2;
    plausible.then(|| samples.saturating_mul(1000).div_ceil(rate))
}

/// ISO 14496-12, 8.2.2: units of a second, and how many of them.
fn mp4(movie: &[u8]) -> Option<u64> {
    let long = movie.get(4)? == &1;
    let (scale, duration) = if long {
        (number(movie, 24, 4)?, number(movie, 28, 8)?)
    } else {
        (number(movie, 16, 4)?, number(movie, 20, 4)?)
    };
    let known = scale > 0 && duration > 0 && duration < u64::from(u32::MAX);
    known.then(|| duration.saturating_mul(1000).div_ceil(scale))
}

/// The number of `length` bytes at `at`, the most significant first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let digits = bytes.get(at..at.checked_add(length)?)?.iter();
    Some(digits.fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(mut head: Vec<u8>, length: usize) -> Vec<u8> {
        head.resize(length, 0);
        head
    }

    #[test]
    fn a_wave_file_lasts_as_long_as_its_rate_says() {
        let mut wave = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wave.extend(16_000_u32.to_le_bytes());
        wave.extend(32_000_u32.to_le_bytes());
        assert_eq!(milliseconds(&filled(wave.clone(), 48_000)), 1500);
        let mut speech = Speech::default();
        speech.hear("audio/wav", &wave);
        speech.hear("audio/wav", &vec![0; 64_000 - wave.len()]);
        assert_eq!(speech.milliseconds(0), 2000);
    }

    #[test]
    fn an_mp3_lasts_as_long_as_its_bit_rate_says() {
        // MPEG 1, layer 3, 128 kbit/s; then the same behind a tag of 20 bytes.
        assert_eq!(milliseconds(&filled(vec![0xFF, 0xFB, 0x90], 16_000)), 1000);
        let mut tagged = b"ID3\x04\0\0\0\0\0\x14".to_vec();
        tagged.extend([0; 20]);
        tagged.extend([0xFF, 0xFB, 0x90]);
        assert_eq!(milliseconds(&filled(tagged, 16_000)), 1000);
        // MPEG 2, layer 3, 64 kbit/s
        assert_eq!(milliseconds(&filled(vec![0xFF, 0xF3, 0x80], 8_000)), 1000);
    }

    #[test]
    fn files_that_count_their_samples_are_believed() {
        let mut flac = b"fLaC\0\0\0\x22".to_vec();
        flac.extend([0; 10]);
        flac.extend((44_100_u64 << 44 | 88_200).to_be_bytes());
        assert_eq!(milliseconds(&filled(flac, 8_000)), 2000);

        let mut opus = b"OggS\0\x02".to_vec();
        opus.extend([0; 22]);
        opus.extend(b"OpusHead");
        opus.extend([0; 40]);
        opus.extend(b"OggS\0\x04");
        opus.extend(144_000_u64.to_le_bytes());
        assert_eq!(milliseconds(&filled(opus, 8_000)), 3000);

        let mut mp4 = b"\0\0\0\x20ftypM4A ".to_vec();
        mp4.extend(b"mvhd\0\0\0\0\0\0\0\0\0\0\0\0");
        mp4.extend(1_000_u32.to_be_bytes());
        mp4.extend(2_500_u32.to_be_bytes());
        assert_eq!(milliseconds(&filled(mp4.clone(), 8_000)), 2500);
        // So little cannot last so long.
        assert_eq!(milliseconds(&filled(mp4, 500)), 1000);
    }

    /// Files of each kind, whose beginnings are those of the tests above.
    fn files() -> Vec<Vec<u8>> {
        let mut wave = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wave.extend(16_000_u32.to_le_bytes());
        wave.extend(32_000_u32.to_le_bytes());
        let mut tagged = b"ID3\x04\0\0\0\0\x30\0".to_vec();
        tagged.resize(10 + (0x30 << 7), 0);
        tagged.extend([0xFF, 0xFB, 0x90]);
        let mut opus = b"OggS\0\x02".to_vec();
        opus.resize(28, 0);
        opus.extend(b"OpusHead");
        opus.resize(7_000, 0);
        opus.extend(b"OggS\0\x04");
        opus.extend(144_000_u64.to_le_bytes());
        let mut mp4 = b"\0\0\0\x20ftypM4A ".to_vec();
        mp4.resize(6_000, 0);
        mp4.extend(b"mvhd\0\0\0\0\0\0\0\0\0\0\0\0");
        mp4.extend(1_000_u32.to_be_bytes());
        mp4.extend(2_500_u32.to_be_bytes());
        let mut flac = b"fLaC\0\0\0\x22".to_vec();
        flac.extend([0; 10]);
        flac.extend((44_100_u64 << 44 | 88_200).to_be_bytes());
        let heads = [
            wave,
            tagged,
            opus,
            mp4,
            flac,
            vec![0xFF, 0xF3, 0x10],
            vec![7],
        ];
        heads.into_iter().map(|head| filled(head, 8_000)).collect()
    }

    #[test]
    fn a_file_lasts_the_same_wherever_it_is_split() {
        for file in files() {
            for split in 0..file.len() {
                let (first, last) = file.split_at(split);
                let mut listener = Listener::default();
                listener.hear(first);
                listener.hear(last);
                assert_eq!(listener.milliseconds(), milliseconds(&file), "{split}");
            }
        }
    }

    #[test]
    fn no_file_lasts_longer_than_its_beginning_lets_expect() {
        for file in files() {
            let head = &file[..HEAD];
            for length in [HEAD, 7_999, 8_000] {
                assert!(milliseconds(&file[..length]) <= longest(8_000, head));
            }
        }
    }

    #[test]
    fn any_other_file_is_taken_as_speech_at_its_usual_rate() {
        assert_eq!(milliseconds(&[7; 8_000]), 2000);
    }

    #[test]
    fn speech_of_no_known_rate_lasts_as_long_as_its_text() {
        let mut speech = Speech::default();
        speech.hear("audio/aac", &[7; 8_000]);
        assert_eq!(speech.milliseconds(30), 2000);
        let mut raw = Speech::default();
        raw.hear("audio/pcm", &[0; 24_000]);
        assert_eq!(raw.milliseconds(30), 500);
    }

    #[test]
    fn no_beginning_of_a_file_is_too_short() {
        for head in [
            &b"RIFF"[..],
            b"fLaC",
            b"OggS",
            b"\0\0\0\0ftyp",
            b"ID3",
            b"\xFF\xFB",
        ] {
            for end in 0..=head.len() {
                let _ = milliseconds(&head[..end]);
                let _ = milliseconds(&filled(head.to_vec(), 20));
            }
        }
    }
}
