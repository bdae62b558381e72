//! OpenAI's Responses (<https://platform.openai.com/docs/api-reference/responses>) for deployments
//! without it. Nothing is kept between requests, so what refers to an earlier response is refused.

mod answer;
mod echo;
mod input;
mod request;
mod schema;
mod stream;

pub(super) use answer::answer;
pub(crate) use echo::Echo;
pub(super) use request::request;
pub(crate) use schema::failure_event;
pub(super) use stream::EventWriter;
