//! The answers of `generateContent` and `streamGenerateContent`.

use serde_json::{Value, json};

use super::super::{
    reply::Event,
    turn::{Finish, Turn},
};

/// What the model wants back with a call.
pub(super) const SIGNATURE: &str = "c2NyaXB0ZWQtc2lnbmF0dXJl";

pub(super) struct Writer<'a> {
    pub(super) number: u64,
    pub(super) model: &'a str,
    pub(super) turn: &'a Turn,
    pub(super) show_usage: bool,
}

impl Writer<'_> {
    /// The whole answer.
    pub(super) fn whole(&self) -> Value {
        let mut parts: Vec<Value> = self.thought().into_iter().collect();
        if !self.turn.words.is_empty() {
            parts.push(json!({"text": self.turn.text()}));
        }
        parts.extend(self.calls());
        self.answer(&parts, true)
    }

    /// The answer word by word.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut pieces: Vec<Vec<Value>> =
            self.thought().map(|part| vec![part]).into_iter().collect();
        let words = self.turn.words.iter();
        pieces.extend(words.map(|word| vec![json!({"text": word})]));
        if !self.turn.calls.is_empty() {
            pieces.push(self.calls());
        }
        let mut events: Vec<Event> = pieces
            .iter()
            .map(|parts| Event::data(self.answer(parts, false)))
            .collect();
        events.push(Event::data(self.answer(&[json!({"text": ""})], true)).last());
        events
    }

    fn thought(&self) -> Option<Value> {
        let thought = self.turn.reasoning?;
        Some(json!({"text": thought, "thought": true}))
    }

    /// The first of several calls is signed for all of them.
    fn calls(&self) -> Vec<Value> {
        let calls = self.turn.calls.iter().enumerate();
        calls
            .map(|(index, call)| {
                let mut part = json!({"functionCall": {"name": call.name, "args": call.arguments}});
                if index == 0 {
                    part["thoughtSignature"] = json!(SIGNATURE);
                }
                part
            })
            .collect()
    }

    fn answer(&self, parts: &[Value], last: bool) -> Value {
        let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
        if last {
            candidate["finishReason"] = json!(match self.turn.finish {
                Finish::Length => "MAX_TOKENS",
                Finish::Stop | Finish::Calls | Finish::Sequence(_) => "STOP",
            });
        }
        if last && !self.turn.citations.is_empty() {
            candidate["groundingMetadata"] = self.grounding();
        }
        let mut answer = json!({
            "candidates": [candidate],
            "modelVersion": self.model,
            "responseId": format!("scripted-{}", self.number),
        });
        if self.show_usage {
            answer["usageMetadata"] = self.usage(last);
        }
        answer
    }

    /// The pages, and which bytes of the text are from each.
    fn grounding(&self) -> Value {
        let citations = &self.turn.citations;
        let chunks = citations
            .iter()
            .map(|page| json!({"web": {"uri": page.url, "title": page.title}}));
        let supports = citations.iter().enumerate().map(|(index, citation)| {
            let (before, text) = self.turn.cited(citation);
            let segment = json!({"startIndex": before.len(), "endIndex": before.len() + text.len(),
                "text": text});
            json!({"segment": segment, "groundingChunkIndices": [index]})
        });
        json!({
            "webSearchQueries": ["what was said"],
            "groundingChunks": chunks.collect::<Vec<_>>(),
            "groundingSupports": supports.collect::<Vec<_>>(),
        })
    }

    /// Cumulative; the answer's own tokens are counted at its end.
    fn usage(&self, last: bool) -> Value {
        let usage = self.turn.usage;
        let mut counts = json!({
            "promptTokenCount": usage.input,
            "totalTokenCount": usage.input,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input}],
        });
        if usage.cached > 0 {
            counts["cachedContentTokenCount"] = json!(usage.cached);
        }
        if usage.reasoning > 0 {
            counts["thoughtsTokenCount"] = json!(usage.reasoning);
            counts["totalTokenCount"] = json!(usage.input + usage.reasoning);
        }
        if last {
            counts["candidatesTokenCount"] = json!(usage.output - usage.reasoning);
            counts["totalTokenCount"] = json!(usage.input + usage.output);
        }
        counts
    }
}
