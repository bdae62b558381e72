//! What one attempt leaves for the ledger; `dragoman/v1/report.proto` is its definition, and a test
//! holds the two together.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use prost::Message;

/// What one attempt leaves for the ledger.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AttemptReport {
    /// From 1; a later attempt's report replaces an earlier one's in filter state.
    #[prost(uint32, tag = "1")]
    pub attempt: u32,
    /// The deployment's id.
    #[prost(string, tag = "2")]
    pub deployment: String,
    /// How far the attempt came.
    #[prost(enumeration = "Outcome", tag = "3")]
    pub outcome: i32,
    /// What it used so far.
    #[prost(message, optional, tag = "4")]
    pub usage: Option<Usage>,
    /// Who counted.
    #[prost(enumeration = "UsageSource", tag = "5")]
    pub usage_source: i32,
    /// The provider's HTTP status; 0 when none arrived.
    #[prost(uint32, tag = "6")]
    pub provider_status: u32,
    /// OpenAI's error code, or type; empty when none.
    #[prost(string, tag = "7")]
    pub error_code: String,
    /// Parameters that were dropped.
    #[prost(string, repeated, tag = "8")]
    pub dropped: Vec<String>,
    /// Our error's HTTP status, for an attempt that failed; 0 otherwise.
    #[prost(uint32, tag = "9")]
    pub error_status: u32,
    /// Milliseconds since the epoch when the attempt began; 0 when not known.
    #[prost(uint64, tag = "10")]
    pub started_ms: u64,
    /// Milliseconds from then to this report.
    #[prost(uint64, tag = "11")]
    pub elapsed_ms: u64,
    /// Milliseconds from the start to the first meaningful event; 0 when none came.
    #[prost(uint64, tag = "12")]
    pub first_token_ms: u64,
    /// The last reports of the attempts before this one, in order, each without its own `earlier`:
    /// filter state is shared by a request's attempts and outlives them, where Envoy's log of an
    /// attempt carries neither filter state nor metadata.
    #[prost(message, repeated, tag = "13")]
    pub earlier: Vec<Self>,
}

impl AttemptReport {
    /// A new attempt's report, which keeps what `previous`, the last report of the attempt before
    /// it, has to say.
    #[must_use]
    pub fn following(mut previous: Self) -> Self {
        let mut earlier = std::mem::take(&mut previous.earlier);
        earlier.push(previous);
        Self {
            earlier,
            ..Self::default()
        }
    }

    /// The report in base64: filter state goes as it is into logs whose lines and fields it must not
    /// break.
    #[must_use]
    pub fn to_text(&self) -> String {
        BASE64_STANDARD_NO_PAD.encode(self.encode_to_vec())
    }

    /// The reverse of [`AttemptReport::to_text`]; `None` when it does not read.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let wire = BASE64_STANDARD_NO_PAD.decode(text).ok()?;
        Self::decode(wire.as_slice()).ok()
    }
}

/// How far an attempt came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Outcome {
    /// Nothing is known.
    Unspecified = 0,
    /// The request was sent; no meaningful answer yet.
    Sent = 1,
    /// The answer has begun. As the last word: the client left, or the connection broke.
    Streaming = 2,
    /// The answer ended as it should.
    Complete = 3,
    /// The provider failed before the first token; another deployment may not.
    Failed = 4,
    /// The provider failed after the first token.
    Broken = 5,
    /// The request cannot be expressed in this dialect, or the provider finds it invalid.
    Rejected = 6,
    /// The request is being sent, as it comes: the client has not sent all of it.
    Sending = 7,
}

/// Who counted the usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum UsageSource {
    /// There is no usage.
    Unspecified = 0,
    /// The provider.
    Provider = 1,
    /// We did, because the provider sent none (or not yet).
    Estimated = 2,
}

/// Units that a provider charges for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Usage {
    /// All input tokens, those from and to a cache included.
    #[prost(uint64, tag = "1")]
    pub input_tokens: u64,
    /// Of these: read from a cache.
    #[prost(uint64, tag = "2")]
    pub cached_tokens: u64,
    /// Of these: written to a cache.
    #[prost(uint64, tag = "3")]
    pub cache_write_tokens: u64,
    /// Of the input tokens: audio.
    #[prost(uint64, tag = "4")]
    pub audio_input_tokens: u64,
    /// All output tokens, reasoning included.
    #[prost(uint64, tag = "5")]
    pub output_tokens: u64,
    /// Of these: reasoning.
    #[prost(uint64, tag = "6")]
    pub reasoning_tokens: u64,
    /// Of these: audio.
    #[prost(uint64, tag = "7")]
    pub audio_output_tokens: u64,
    /// Images made.
    #[prost(uint64, tag = "8")]
    pub images: u64,
    /// Milliseconds of audio heard or made, where charged by time.
    #[prost(uint64, tag = "9")]
    pub audio_ms: u64,
    /// Characters of input, where charged by character.
    #[prost(uint64, tag = "10")]
    pub characters: u64,
    /// Of the output tokens: images.
    #[prost(uint64, tag = "11")]
    pub image_output_tokens: u64,
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_reflect::{DynamicMessage, prost_types};

    use super::*;

    fn schema() -> prost_reflect::DescriptorPool {
        let root = env!("CARGO_MANIFEST_DIR");
        let set = protox::compile(["dragoman/v1/report.proto"], [root]).unwrap();
        let set = prost_types::FileDescriptorSet::decode(set.encode_to_vec().as_slice()).unwrap();
        prost_reflect::DescriptorPool::from_file_descriptor_set(set).unwrap()
    }

    #[test]
    fn a_report_is_encoded_as_its_proto_file_says() {
        let report = AttemptReport {
            attempt: 2,
            deployment: "abc".into(),
            outcome: Outcome::Broken.into(),
            usage: Some(Usage {
                input_tokens: 1,
                cached_tokens: 2,
                cache_write_tokens: 3,
                audio_input_tokens: 4,
                output_tokens: 5,
                reasoning_tokens: 6,
                audio_output_tokens: 7,
                images: 8,
                audio_ms: 9,
                characters: 10,
                image_output_tokens: 11,
            }),
            usage_source: UsageSource::Estimated.into(),
            provider_status: 200,
            error_code: "overloaded_error".into(),
            dropped: vec!["seed".into(), "n".into()],
            error_status: 503,
            started_ms: 11,
            elapsed_ms: 12,
            first_token_ms: 13,
            earlier: vec![AttemptReport {
                attempt: 1,
                ..AttemptReport::default()
            }],
        };
        let descriptor = schema()
            .get_message_by_name("dragoman.v1.AttemptReport")
            .unwrap();
        let read = DynamicMessage::decode(descriptor, report.encode_to_vec().as_slice()).unwrap();
        assert_eq!(
            read.to_text_format(),
            "attempt:2,deployment:\"abc\",outcome:BROKEN,usage{input_tokens:1,cached_tokens:2,\
             cache_write_tokens:3,audio_input_tokens:4,output_tokens:5,reasoning_tokens:6,\
             audio_output_tokens:7,images:8,audio_ms:9,characters:10,image_output_tokens:11},usage_source:ESTIMATED,\
             provider_status:200,error_code:\"overloaded_error\",dropped:[\"seed\",\"n\"],\
             error_status:503,started_ms:11,elapsed_ms:12,first_token_ms:13,earlier:[{attempt:1}]"
        );
    }

    #[test]
    fn a_third_attempt_keeps_the_first_and_the_second() {
        let attempt = |attempt, report| AttemptReport { attempt, ..report };
        let first = attempt(1, AttemptReport::default());
        let second = attempt(2, AttemptReport::following(first));
        let third = AttemptReport::following(second);
        let numbers: Vec<_> = third.earlier.iter().map(|report| report.attempt).collect();
        assert_eq!(numbers, [1, 2]);
        assert!(third.earlier.iter().all(|report| report.earlier.is_empty()));
    }
}
