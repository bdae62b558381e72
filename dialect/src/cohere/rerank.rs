//! `/v2/rerank` (<https://docs.cohere.com/reference/rerank>): the shape of `/v1/rerank` is Cohere's own.

use dragoman_proto::ApiError;

use super::{error, headers, path};
use crate::{
    failure::Failure,
    hub::prepare,
    json::Object,
    meter::Meter,
    request::{Call, ResponseContext, Translated},
};

/// What only the first version of the API has, and the value that asks for nothing.
const UNSUPPORTED: [(&str, &str); 3] = [
    ("return_documents", "false"),
    ("rank_fields", "[]"),
    ("max_chunks_per_doc", ""),
];

/// The client's request for `/v2/rerank`.
pub(super) fn request(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = call.object()?;
    let mut unsupported = prepare(&mut request, call.config);
    unsupported.refuse_demands(&mut request, &UNSUPPORTED);
    request.set("model", &call.config.model);
    for gateway_s in ["user", "metadata", "stream"] {
        request.remove(gateway_s);
    }
    Ok(Translated {
        path: path(call, "/rerank"),
        headers: headers(call),
        body: Some(request.to_bytes(call.body.len() + 64)),
        dropped: unsupported.finish()?,
        response: call.context(),
    })
}

/// The client's answer. Searches are what is charged, and an estimate of the tokens stands for them.
pub(super) fn answer(
    context: &ResponseContext,
    body: &[u8],
    meter: &mut Meter,
) -> Result<Vec<u8>, Failure> {
    let answer = Object::parse(body).ok();
    let results = answer.as_ref().and_then(|answer| answer.some("results"));
    if !results.is_some_and(|raw| raw.get().starts_with('[')) {
        let what = "the answer has no `results`";
        let error = error::read(body);
        return Err(Failure::unreadable(&context.provider, error.as_ref(), what));
    }
    meter.output(0);
    Ok(body.to_vec())
}
