//! OpenAI's chat, the hub of the star: every dialect is translated to it and from it.
//! Shapes: <https://platform.openai.com/docs/api-reference/chat>.

mod answer;
mod call_ids;
mod chat_writer;
mod choice;
mod chunk;
pub(crate) mod citations;
mod embeddings;
mod extra;
mod format;
mod inline;
mod parameters;
mod request;
mod thinking;
mod told;
mod turns;
mod usage;
mod wanted;

pub(crate) use answer::{CompletionChoice, FunctionCall, Message, Picture, ToolCall, completion};
pub(crate) use call_ids::{call_id, short_call_id};
pub(crate) use chat_writer::ChatWriter;
pub(crate) use choice::{ToolChoice, stop, tool_choice};
pub(crate) use chunk::{
    Choice, Chunk, Delta, FunctionDelta, StreamFrame, ToolCallDelta, ToolCalls,
};
pub(crate) use citations::{Annotation, Page, ProviderFields, UrlCitation};
pub(crate) use embeddings::{base64, embeddings, texts, wants_base64};
pub(crate) use extra::ExtraContent;
pub(crate) use format::{Format, JsonSchema, format};
pub(crate) use inline::{arguments, data_url};
pub(crate) use parameters::{FormFields, GATEWAY_ONLY, Unsupported, prepare};
pub(crate) use request::{
    AudioPart, Called, Content, FilePart, Function, InputMessage, Part, Tool, content, messages,
    system_label,
};
pub(crate) use thinking::{ThinkingBlock, ThinkingBlocks, ThinkingIn, unnumbered};
pub(crate) use told::{Numbered, Told};
pub(crate) use turns::Turns;
pub(crate) use usage::{UsageOut, read_seconds, read_usage};
pub(crate) use wanted::{capped, is_read, output_limit, tools, wants_usage};
