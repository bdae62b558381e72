//! `/rerank`, which OpenAI lacks and its imitators took from Cohere
//! (<https://jina.ai/reranker/>, <https://docs.together.ai/reference/rerank>).

use serde_json::{Value, json};

use super::{
    super::{
        check::Checked,
        reply::Answer,
        serve::Call,
        turn::{Usage, count},
    },
    body,
};

pub(super) fn answer(call: &Call<'_>) -> Checked<Answer> {
    let mut body = body(call)?;
    let model = body.need_text("model")?;
    let query = body.need_text("query")?;
    let documents = body.texts("documents", 1000)?;
    if documents.is_empty() {
        return Err(body.missing("documents"));
    }
    let top = body.integer("top_n", 1..=1000)?.unwrap_or(1000);
    let echoed = body.flag("return_documents")?.unwrap_or(true);
    body.finish()?;
    let words: Vec<&str> = query.split_whitespace().collect();
    let shared = |text: &str| {
        text.split_whitespace()
            .filter(|word| words.contains(word))
            .count()
    };
    let mut ranked: Vec<(usize, usize)> = documents
        .iter()
        .enumerate()
        .map(|(index, text)| (shared(text), index))
        .collect();
    ranked.sort_by_key(|(shared, index)| (std::cmp::Reverse(*shared), *index));
    let results: Vec<Value> = ranked
        .into_iter()
        .take(usize::try_from(top).unwrap_or_default())
        .map(|(shared, index)| {
            let score = if shared > 0 { 0.5 } else { 0.0 };
            let mut result = json!({"index": index, "relevance_score": score});
            if echoed && let Some(text) = documents.get(index) {
                result["document"] = json!({"text": text});
            }
            result
        })
        .collect();
    let tokens = count(query) + documents.iter().map(|text| count(text)).sum::<u64>();
    let used = Usage {
        input: tokens,
        ..Usage::default()
    };
    let path = &call.request.path;
    call.state.charge(call.number, path, model, false, used);
    Ok(Answer::json(
        200,
        &json!({"model": model, "results": results, "usage": {"total_tokens": tokens}}),
    ))
}
