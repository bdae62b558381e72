//! The demands, endpoint by endpoint.

use dragoman_proto::Operation;

use super::{Asks, Demand, Part};

/// A member that no dialect knows.
pub(super) const NOBODY_S: &str = "dragoman_sample";

/// A demand that is called by its member's name.
const fn member(name: &'static str, asks: Asks, sample: &'static str) -> Demand {
    demand(name, name, asks, sample)
}

const fn demand(
    name: &'static str,
    member: &'static str,
    asks: Asks,
    sample: &'static str,
) -> Demand {
    Demand {
        name,
        member: Some(member),
        asks,
        sample,
    }
}

/// Any other member: some providers refuse what they do not know.
const OTHERS: Demand = Demand {
    name: "others",
    member: None,
    asks: Asks::Always,
    sample: "true",
};

/// Of chat requests, and of all that can become one.
static CHAT: [Demand; 37] = [
    member("n", Asks::Beside(1.0), "2"),
    member("logprobs", Asks::Unless(false), "true"),
    member("top_logprobs", Asks::Beside(0.0), "2"),
    member("presence_penalty", Asks::Beside(0.0), "0.5"),
    member("frequency_penalty", Asks::Beside(0.0), "0.5"),
    member("seed", Asks::Always, "1"),
    member("logit_bias", Asks::NotEmpty, r#"{"1":1}"#),
    member("store", Asks::Unless(false), "true"),
    member("functions", Asks::NotEmpty, r#"[{"name":"f"}]"#),
    member("function_call", Asks::Always, r#""auto""#),
    demand(
        "modalities=image",
        "modalities",
        Asks::Holds("image"),
        r#"["image"]"#,
    ),
    demand(
        "modalities",
        "modalities",
        Asks::HoldsOther(&["text", "image"]),
        r#"["text","audio"]"#,
    ),
    member("audio", Asks::Always, r#"{"voice":"alloy","format":"wav"}"#),
    member(
        "prediction",
        Asks::Always,
        r#"{"type":"content","content":"x"}"#,
    ),
    member("verbosity", Asks::OtherWord(&["medium"]), r#""low""#),
    member("web_search_options", Asks::Always, "{}"),
    // The scales and the models that take them differ.
    member("temperature", Asks::Beside(1.0), "0.5"),
    demand("temperature>1", "temperature", Asks::Above(1.0), "1.5"),
    member("top_p", Asks::Beside(1.0), "0.5"),
    member("top_k", Asks::Always, "0"),
    demand("top_k>0", "top_k", Asks::Beside(0.0), "40"),
    member("user", Asks::Always, r#""u""#),
    member("parallel_tool_calls", Asks::Unless(true), "false"),
    member(
        "tool_choice",
        Asks::OtherWord(&["auto", "none"]),
        r#""required""#,
    ),
    member("reasoning_effort", Asks::OtherWord(&["none"]), r#""low""#),
    // Each of these words is known to others.
    demand(
        "service_tier=default",
        TIER,
        Asks::Word(&["default"]),
        r#""default""#,
    ),
    demand(
        "service_tier=flex",
        TIER,
        Asks::Word(&["flex", "priority", "reserved"]),
        r#""flex""#,
    ),
    demand(
        "service_tier=standard_only",
        TIER,
        Asks::Word(&["standard_only"]),
        r#""standard_only""#,
    ),
    demand("service_tier", TIER, Asks::OtherWord(&TIERS), r#""scale""#),
    demand(
        "sound",
        "messages",
        Asks::Within(Part::Sound),
        r#"[{"role":"user","content":[
        {"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]"#,
    ),
    demand(
        "picture_elsewhere",
        "messages",
        Asks::Within(Part::PictureElsewhere),
        r#"[{"role":"user","content":[
        {"type":"image_url","image_url":{"url":"https://x.test/x.png"}}]}]"#,
    ),
    demand(
        "file",
        "messages",
        Asks::Within(Part::File),
        r#"[{"role":"user","content":[{"type":"file","file":
        {"filename":"x.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}]}]"#,
    ),
    demand(
        "custom_tool",
        "tools",
        Asks::Within(Part::CustomTool),
        r#"[{"type":"custom","custom":{"name":"x"}}]"#,
    ),
    demand(
        "search_tool",
        "tools",
        Asks::Within(Part::SearchTool),
        r#"[{"type":"web_search_20250305","name":"web_search"}]"#,
    ),
    demand(
        "google_tool",
        "tools",
        Asks::Within(Part::GoogleTool),
        r#"[{"googleSearch":{}}]"#,
    ),
    demand(
        "other_tool",
        "tools",
        Asks::Within(Part::OtherTool),
        r#"[{"type":"x","name":"x"}]"#,
    ),
    OTHERS,
];

const TIER: &str = "service_tier";
const TIERS: [&str; 6] = [
    "auto",
    "default",
    "flex",
    "priority",
    "reserved",
    "standard_only",
];

/// Of text completions, beside those of chat.
static COMPLETIONS: [Demand; 6] = [
    member("suffix", Asks::NotEmpty, r#""x""#),
    member("echo", Asks::Unless(false), "true"),
    member("best_of", Asks::Beside(1.0), "2"),
    member("logprobs", Asks::Always, "2"),
    demand("prompt=several", "prompt", Asks::Several, r#"["x","y"]"#),
    demand("prompt=tokens", "prompt", Asks::Tokens, "[1,2]"),
];

/// Of Messages, beside those of chat.
static MESSAGES: [Demand; 5] = [
    demand(
        "picture_elsewhere",
        "messages",
        Asks::Within(Part::PictureElsewhere),
        r#"[{"role":"user","content":[
        {"type":"image","source":{"type":"url","url":"https://x.test/x.png"}}]}]"#,
    ),
    demand(
        "search_tool",
        "tools",
        Asks::Within(Part::SearchTool),
        r#"[{"type":"web_search_20250305","name":"web_search"}]"#,
    ),
    demand(
        "other_tool",
        "tools",
        Asks::Within(Part::OtherTool),
        r#"[{"type":"code_execution_20250825","name":"code_execution"}]"#,
    ),
    member("container", Asks::Always, r#""c""#),
    member(
        "mcp_servers",
        Asks::NotEmpty,
        r#"[{"type":"url","name":"x","url":"https://x.test"}]"#,
    ),
];

/// Of Responses, beside those of chat.
static RESPONSES: [Demand; 10] = [
    demand(
        "sound",
        "input",
        Asks::Within(Part::Sound),
        r#"[{"role":"user","content":[
        {"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]"#,
    ),
    demand(
        "picture_elsewhere",
        "input",
        Asks::Within(Part::PictureElsewhere),
        r#"[{"role":"user","content":[
        {"type":"input_image","image_url":"https://x.test/x.png"}]}]"#,
    ),
    demand(
        "file",
        "input",
        Asks::Within(Part::File),
        r#"[{"role":"user","content":[{"type":"input_file","filename":"x.pdf",
        "file_data":"data:application/pdf;base64,JVBERi0="}]}]"#,
    ),
    demand(
        "custom_tool",
        "tools",
        Asks::Within(Part::CustomTool),
        r#"[{"type":"custom","name":"x"}]"#,
    ),
    demand(
        "search_tool",
        "tools",
        Asks::Within(Part::SearchTool),
        r#"[{"type":"web_search"}]"#,
    ),
    demand(
        "other_tool",
        "tools",
        Asks::Within(Part::OtherTool),
        r#"[{"type":"code_interpreter","container":{"type":"auto"}}]"#,
    ),
    member("max_tool_calls", Asks::Always, "2"),
    member("previous_response_id", Asks::Always, r#""r""#),
    member("conversation", Asks::Always, r#""c""#),
    member("prompt", Asks::Always, r#"{"id":"p"}"#),
];

static EMBEDDINGS: [Demand; 11] = [
    member("dimensions", Asks::Always, "256"),
    demand("input=several", "input", Asks::Several, r#"["x","y"]"#),
    demand("input=tokens", "input", Asks::Tokens, "[1,2]"),
    member("user", Asks::Always, r#""u""#),
    member("input_type", Asks::Always, r#""search_query""#),
    member("truncate", Asks::Always, r#""END""#),
    member("keep_alive", Asks::Always, r#""5m""#),
    member("options", Asks::Always, "{}"),
    member("task_type", Asks::Always, r#""RETRIEVAL_QUERY""#),
    member("taskType", Asks::Always, r#""RETRIEVAL_QUERY""#),
    OTHERS,
];

static IMAGES: [Demand; 10] = [
    member("n", Asks::Beside(1.0), "2"),
    member("size", Asks::OddSize, r#""1000x700""#),
    member("stream", Asks::Unless(false), "true"),
    member("quality", Asks::OtherWord(&["auto"]), r#""high""#),
    member("background", Asks::OtherWord(&["auto"]), r#""transparent""#),
    member("moderation", Asks::OtherWord(&["auto"]), r#""low""#),
    member("output_format", Asks::OtherWord(&["png"]), r#""webp""#),
    member("style", Asks::Always, r#""vivid""#),
    member("user", Asks::Always, r#""u""#),
    OTHERS,
];

static RERANK: [Demand; 3] = [
    member("return_documents", Asks::Unless(false), "true"),
    member("rank_fields", Asks::NotEmpty, r#"["x"]"#),
    member("max_chunks_per_doc", Asks::Always, "2"),
];

/// An endpoint's own demands, and those that it shares with chat.
pub(super) fn of(operation: Operation) -> (&'static [Demand], &'static [Demand]) {
    match operation {
        Operation::ChatCompletions => (&[], &CHAT),
        Operation::Completions => (&COMPLETIONS, &CHAT),
        Operation::Messages => (&MESSAGES, &CHAT),
        Operation::Responses => (&RESPONSES, &CHAT),
        Operation::Embeddings => (&EMBEDDINGS, &[]),
        Operation::ImagesGenerations => (&IMAGES, &[]),
        Operation::Rerank => (&RERANK, &[]),
        // Forms are not looked into, and the rest is OpenAI's alone or needs no provider.
        Operation::ImagesEdits
        | Operation::ImagesVariations
        | Operation::AudioSpeech
        | Operation::AudioTranscriptions
        | Operation::AudioTranslations
        | Operation::Moderations
        | Operation::CountTokens => (&[], &[]),
    }
}

/// Members that nobody refuses, for whatever they ask.
pub(crate) fn is_common(operation: Operation, member: &str) -> bool {
    let everywhere = matches!(member, "model" | "metadata");
    let in_chat = || {
        matches!(
            member,
            "messages" | "stream" | "max_tokens" | "max_completion_tokens" | "stream_options" | "stop" | "tools"
                | "response_format" | "thinking" | "safety_identifier" | "prompt_cache_key"
                | "prompt_cache_retention"
                // Google's, which no one else looks at.
                | "thinking_config" | "thinkingConfig" | "safety_settings" | "safetySettings"
                | "cached_content" | "extra_body" | "google"
        )
    };
    everywhere
        || match operation {
            Operation::ChatCompletions | Operation::Completions => in_chat(),
            Operation::Messages => {
                in_chat()
                    || matches!(
                        member,
                        "system"
                            | "stop_sequences"
                            | "tool_choice"
                            | "output_config"
                            | "output_format"
                            | "service_tier"
                            | "context_management"
                            | "cache_control"
                    )
            }
            Operation::Responses => {
                in_chat()
                    || matches!(
                        member,
                        "input"
                            | "instructions"
                            | "max_output_tokens"
                            | "text"
                            | "reasoning"
                            | "include"
                            | "truncation"
                            | "store"
                            | "background"
                            | "client_metadata"
                    )
            }
            Operation::Embeddings => matches!(member, "encoding_format"),
            Operation::ImagesGenerations => matches!(member, "prompt" | "response_format"),
            _ => false,
        }
}

/// A request that asks for nothing that anybody lacks.
pub(super) const fn plain(operation: Operation) -> &'static str {
    match operation {
        Operation::Completions => r#"{"model":"m","prompt":"x"}"#,
        Operation::Messages => {
            r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],
            "tools":[{"name":"f","input_schema":{"type":"object"}}]}"#
        }
        Operation::Responses => {
            r#"{"model":"m","input":"x",
            "tools":[{"type":"function","name":"f","parameters":{"type":"object"}}]}"#
        }
        Operation::Embeddings => r#"{"model":"m","input":"x"}"#,
        Operation::ImagesGenerations => r#"{"model":"m","prompt":"x"}"#,
        Operation::Rerank => r#"{"model":"m","query":"x","documents":["x"]}"#,
        _ => {
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],
            "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}"#
        }
    }
}
