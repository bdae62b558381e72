//! Content encodings undone as the bytes arrive.

use std::io::{self, Write};

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// A streaming decoder. What it yields per call is bounded by the size of the piece that it is fed.
#[derive(Debug)]
pub(crate) enum Inflate {
    Gzip(MultiGzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
    Raw(DeflateDecoder<Vec<u8>>),
    /// `deflate`, of which the first byte tells whether it has zlib's wrapper.
    Unknown,
}

impl Inflate {
    /// Deflate expands at most about 1,000 times, so this much input makes at most 4 MiB.
    pub(crate) const PIECE: usize = 4096;

    /// The decoder for a `content-encoding`; `None` for one that is not known.
    pub(crate) fn for_encoding(encoding: &str) -> Option<Self> {
        match encoding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip(MultiGzDecoder::new(Vec::new()))),
            "deflate" => Some(Self::Unknown),
            _ => None,
        }
    }

    /// Decodes a piece.
    pub(crate) fn decode(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        if let (Self::Unknown, Some(first)) = (&*self, piece.first()) {
            *self = if first & 0x0f == 8 {
                Self::Zlib(ZlibDecoder::new(Vec::new()))
            } else {
                Self::Raw(DeflateDecoder::new(Vec::new()))
            };
        }
        let decoded = match self {
            Self::Gzip(decoder) => {
                decoder.write_all(piece)?;
                decoder.flush()?;
                decoder.get_mut()
            }
            Self::Zlib(decoder) => {
                decoder.write_all(piece)?;
                decoder.flush()?;
                decoder.get_mut()
            }
            Self::Raw(decoder) => {
                decoder.write_all(piece)?;
                decoder.flush()?;
                decoder.get_mut()
            }
            Self::Unknown => return Ok(Vec::new()),
        };
        Ok(std::mem::take(decoded))
    }

    /// What is left at the end; an error when the stream was cut.
    pub(crate) fn finish(&mut self) -> io::Result<Vec<u8>> {
        let decoded = match self {
            Self::Gzip(decoder) => {
                decoder.try_finish()?;
                decoder.get_mut()
            }
            Self::Zlib(decoder) => {
                decoder.try_finish()?;
                decoder.get_mut()
            }
            Self::Raw(decoder) => {
                decoder.try_finish()?;
                decoder.get_mut()
            }
            Self::Unknown => return Ok(Vec::new()),
        };
        Ok(std::mem::take(decoded))
    }
}
