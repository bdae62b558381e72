//! OpenAI's text completions (<https://platform.openai.com/docs/api-reference/completions>) of models
//! that only chat: the prompt is what a user says, the answer is the text.

mod answer;
mod request;
mod stream;

pub(super) use answer::answer;
pub(super) use request::request;
pub(super) use stream::TextStream;
