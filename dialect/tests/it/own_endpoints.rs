//! Embeddings, rerank and paths of the providers that have them in shapes or places of their own.

use dragoman_proto::Operation;
use serde_json::{Value, json};

use crate::{
    endpoints::{sent, translate},
    support::{self, JSON, admission, answer, deployment},
};

#[test]
fn ollama_embeds_in_either_encoding() {
    let body = json!({"model": "alias", "input": ["a", "b"], "dimensions": 2, "user": "u",
        "encoding_format": "base64"});
    let translated = translate("ollama", Operation::Embeddings, &body).unwrap();
    assert_eq!(translated.path, "/api/embed");
    let expected = json!({"model": "llama3.2", "input": ["a", "b"], "dimensions": 2});
    assert_eq!(sent(&translated), expected);
    let reply = br#"{"model":"real","embeddings":[[1.0,-0.5],[0,2]],"prompt_eval_count":4}"#;
    let outcome = answer(&translated.response, JSON, reply);
    let list: Value = serde_json::from_str(&outcome.body).unwrap();
    assert_eq!(list["data"][0]["embedding"], "AACAPwAAAL8=");
    assert_eq!(list["data"][1]["index"], 1);
    assert_eq!(
        list["usage"],
        json!({"prompt_tokens": 4, "total_tokens": 4})
    );
    assert_eq!(list["model"], "alias");

    let body = json!({"model": "alias", "input": "a"});
    let translated = translate("ollama", Operation::Embeddings, &body).unwrap();
    let outcome = answer(&translated.response, JSON, reply);
    assert!(
        outcome.body.contains(r#""embedding":[1.0,-0.5]"#),
        "{}",
        outcome.body
    );

    let tokens = json!({"model": "alias", "input": [[1, 2]]});
    let error = translate("ollama", Operation::Embeddings, &tokens).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("input"));
}

#[test]
fn cohere_embeds_and_reranks() {
    let body = json!({"model": "alias", "input": "a", "dimensions": 256});
    let translated = translate("cohere", Operation::Embeddings, &body).unwrap();
    assert_eq!(translated.path, "/v2/embed");
    assert_eq!(
        sent(&translated),
        json!({"model": "command-a-03-2025", "texts": ["a"], "input_type": "search_document",
            "embedding_types": ["float"], "output_dimension": 256})
    );
    let reply = br#"{"id":"x","embeddings":{"float":[[0.5]]},"texts":["a"],
        "meta":{"billed_units":{"input_tokens":3}}}"#;
    let outcome = answer(&translated.response, JSON, reply);
    assert!(
        outcome.body.contains(r#""embedding":[0.5]"#),
        "{}",
        outcome.body
    );
    assert!(
        outcome.report.contains("input_tokens: 3,"),
        "{}",
        outcome.report
    );

    let body = json!({"model": "alias", "query": "q", "documents": ["a", "b"], "top_n": 1});
    let translated = translate("cohere", Operation::Rerank, &body).unwrap();
    assert_eq!(translated.path, "/v2/rerank");
    assert_eq!(sent(&translated)["model"], "command-a-03-2025");
    let reply = br#"{"results":[{"index":1,"relevance_score":0.9}],"id":"r"}"#;
    let outcome = answer(&translated.response, JSON, reply);
    assert_eq!(outcome.body.as_bytes(), reply);
    let outcome = answer(&translated.response, JSON, br#"{"message":"no"}"#);
    assert_eq!(outcome.head.status, 502);
}

#[test]
fn azure_has_its_own_paths() {
    let body = json!({"model": "alias", "input": "x"});
    for (operation, path) in [
        (Operation::Embeddings, "embeddings"),
        (Operation::AudioSpeech, "audio/speech"),
        (Operation::ImagesGenerations, "images/generations"),
    ] {
        let translated = translate("azure", operation, &body).unwrap();
        let expected = format!("/openai/deployments/gpt-4o/{path}?api-version=2024-10-21");
        assert_eq!(translated.path, expected);
    }
    for operation in [Operation::Moderations, Operation::Rerank] {
        assert_eq!(
            translate("azure", operation, &body).unwrap_err().status(),
            400
        );
    }
}

#[test]
fn ollama_s_output_is_capped() {
    for (body, limit) in [
        (json!({"messages": []}), 50),
        (json!({"messages": [], "max_tokens": 900}), 50),
        (json!({"messages": [], "options": {"num_predict": 900}}), 50),
        (json!({"messages": [], "max_completion_tokens": 7}), 7),
    ] {
        let translated = translate("ollama", Operation::ChatCompletions, &body).unwrap();
        assert_eq!(sent(&translated)["options"]["num_predict"], limit, "{body}");
    }
}

#[test]
fn what_an_embedding_cannot_express_is_refused_or_dropped() {
    for target in ["ollama", "cohere", "gemini"] {
        let mut body = json!({"input": "x", "late_chunking": true, "user": "u"});
        let error = translate(target, Operation::Embeddings, &body).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("late_chunking"), "{target}");
        body["drop_params"] = json!(true);
        let translated = translate(target, Operation::Embeddings, &body).unwrap();
        assert_eq!(translated.dropped, ["late_chunking"], "{target}");
        assert!(sent(&translated).get("late_chunking").is_none());
        assert!(sent(&translated).get("user").is_none());
    }
}

#[test]
fn numbers_become_base64_where_a_provider_has_nothing_else() {
    let reply = br#"{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[1.0,-0.5]}]}"#;
    for (encoding, embedding) in [
        (json!("base64"), json!("AACAPwAAAL8=")),
        (json!("float"), json!([1.0, -0.5])),
        (json!(null), json!([1.0, -0.5])),
    ] {
        let body = json!({"input": [1, 2], "encoding_format": encoding});
        let translated = translate("openai", Operation::Embeddings, &body).unwrap();
        assert_eq!(sent(&translated)["input"], json!([1, 2]));
        let outcome = answer(&translated.response, JSON, reply);
        let told: Value = serde_json::from_str(&outcome.body).unwrap();
        assert_eq!(told["data"][0]["embedding"], embedding, "{encoding}");
        assert_eq!(told["data"][0]["index"], 0);
    }
}

#[test]
fn a_ranking_is_cohere_s_whoever_makes_it() {
    let mut voyage = deployment("openai");
    voyage.quirks.renamed = vec![("top_n".into(), "top_k".into())];
    let admission = admission(Operation::Rerank, false);
    let body = br#"{"query":"q","documents":["a","b"],"top_n":1}"#;
    let translated = support::translate(&voyage, &admission, None, body).unwrap();
    assert_eq!(
        sent(&translated),
        json!({"query": "q", "documents": ["a", "b"], "model": "gpt-4o-mini", "top_k": 1})
    );
    let reply = br#"{"object":"list","data":[{"index":1,"relevance_score":0.9}],"model":"m",
        "usage":{"total_tokens":5}}"#;
    let outcome = answer(&translated.response, JSON, reply);
    let told: Value = serde_json::from_str(&outcome.body).unwrap();
    assert_eq!(
        told,
        json!({"results": [{"index": 1, "relevance_score": 0.9}], "model": "alias",
            "usage": {"total_tokens": 5}})
    );
    assert!(
        outcome.report.contains("input_tokens: 5,"),
        "{}",
        outcome.report
    );
}
