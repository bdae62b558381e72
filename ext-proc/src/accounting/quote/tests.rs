//! Nothing costs more than was reserved for it, whatever kind of request it is.

use std::sync::{Arc, LazyLock};

use dragoman_policy::{NanoDollars, PriceTable};
use dragoman_proto::{Extent, Overrides, Usage};
use proptest::prelude::*;

use super::*;

const CONFIG: &str = "
model_list:
  - {model_name: chat, litellm_params: {model: openai/gpt-4o-mini, api_key: k}}
  - {model_name: claude, litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: k}}
  - {model_name: gemini, litellm_params: {model: gemini/gemini-2.5-pro, api_key: k}}
  - {model_name: sound, litellm_params: {model: openai/gpt-audio, api_key: k}}
  - {model_name: image, litellm_params: {model: openai/gpt-image-1, api_key: k}}
  - {model_name: imagen, litellm_params: {model: gemini/gemini-2.5-flash-image, api_key: k}}
  - {model_name: speech, litellm_params: {model: openai/tts-1, api_key: k}}
  - {model_name: voice, litellm_params: {model: openai/gpt-4o-mini-tts, api_key: k}}
  - {model_name: whisper, litellm_params: {model: openai/whisper-1, api_key: k}}
  - {model_name: transcript, litellm_params: {model: openai/gpt-4o-transcribe, api_key: k}}
  - {model_name: vectors, litellm_params: {model: openai/text-embedding-3-small, api_key: k}}
  - {model_name: private, litellm_params: {model: openai/mine, api_key: k, input_cost_per_token: 1, output_cost_per_token: 1}}
  - {model_name: adding, litellm_params: {model: openai/gpt-4o, api_key: k, n: 3, max_tokens: 50, stop: [abc]}}
  - {model_name: searching, litellm_params: {model: openai/gpt-4o, api_key: k, web_search_options: {}}}
  - {model_name: 'far/*', litellm_params: {model: openai/*, api_key: k}}
";

static LIVE: LazyLock<Live> = LazyLock::new(|| {
    let config = dragoman_config::load(CONFIG, &|_: &str| None).unwrap();
    Live::new(config, &Arc::new(PriceTable::bundled().unwrap())).unwrap()
});

fn facts(operation: Operation) -> Facts {
    Facts {
        model: None,
        operation,
        stream: false,
        prompt_tokens: 1,
        prompt_bound: 100,
        extent: Extent::default(),
        max_tokens: None,
        choices: 1,
        user: None,
        demands: Vec::new(),
        path: String::new(),
        arriving: false,
        overrides: Overrides::default(),
    }
}

fn attempt(live: &Live, alias: &str) -> Attempt {
    let deployment = live.config.deployments.iter().find(|d| d.answers_to(alias));
    let deployment = deployment.unwrap();
    Attempt {
        deployment: Arc::from(deployment.id.as_str()),
        cluster: Arc::from("c"),
        alias: Arc::from(alias),
        captured: alias.strip_prefix("far/").map(str::to_owned),
        fallback: 0,
    }
}

fn quoted(live: &Live, alias: &str, facts: &Facts) -> Result<Quote, Refusal> {
    let estimate = Estimate {
        facts,
        attempts: &[attempt(live, alias)],
    };
    quote(live, &estimate, alias, true)
}

fn most(alias: &str, facts: &Facts) -> NanoDollars {
    quoted(&LIVE, alias, facts).unwrap().most().unwrap()
}

fn with_extent(operation: Operation, extent: Extent) -> Facts {
    Facts {
        extent,
        ..facts(operation)
    }
}

fn cost(alias: &str, usage: &Usage) -> NanoDollars {
    let live = &*LIVE;
    let attempt = attempt(live, alias);
    let captured = attempt.captured.as_deref().unwrap_or_default();
    let (price, _) = live.price(&attempt.deployment, captured).unwrap();
    price.cost(usage).unwrap()
}

#[test]
fn an_image_is_reserved_as_the_most_tokens_that_the_model_counts() {
    let extent = Extent {
        images: 1,
        ..Extent::default()
    };
    let mut facts = with_extent(Operation::ChatCompletions, extent);
    facts.max_tokens = Some(1);
    // two thousand pixels square, in gpt-4o-mini's tokens
    let usage = Usage {
        input_tokens: 48_169 + 100,
        output_tokens: 1,
        ..Usage::default()
    };
    assert_eq!(most("chat", &facts), cost("chat", &usage));
    assert_eq!(most("far/gpt-4o-mini", &facts), cost("chat", &usage));
}

#[test]
fn images_are_reserved_by_what_they_are_made_of() {
    let two = Facts {
        choices: 2,
        ..facts(Operation::ImagesGenerations)
    };
    let high = Usage {
        input_tokens: 100,
        output_tokens: 2 * 6_240,
        images: 2,
        ..Usage::default()
    };
    assert!(most("image", &two) >= cost("image", &high));
    assert!(most("imagen", &two) >= cost("imagen", &high));
}

#[test]
fn speech_is_reserved_by_its_characters_or_by_the_time_that_it_takes() {
    let speech = facts(Operation::AudioSpeech);
    let by_character = Usage {
        characters: 100,
        ..Usage::default()
    };
    assert_eq!(most("speech", &speech), cost("speech", &by_character));
    let by_token = Usage {
        input_tokens: 100,
        output_tokens: 21 * 20,
        audio_output_tokens: 21 * 20,
        ..Usage::default()
    };
    assert!(most("voice", &speech) >= cost("voice", &by_token));
}

#[test]
fn sound_is_reserved_for_as_long_as_it_can_last() {
    let extent = Extent {
        audio_ms: 60_000,
        ..Extent::default()
    };
    let minute = with_extent(Operation::AudioTranscriptions, extent.clone());
    let by_second = Usage {
        audio_ms: 60_000,
        ..Usage::default()
    };
    assert_eq!(most("whisper", &minute), cost("whisper", &by_second));
    let by_token = Usage {
        input_tokens: 700,
        audio_input_tokens: 600,
        output_tokens: 2_000,
        ..Usage::default()
    };
    assert!(most("transcript", &minute) >= cost("transcript", &by_token));
    let chat = with_extent(Operation::ChatCompletions, extent);
    assert!(most("sound", &chat) >= cost("sound", &by_token));
}

#[test]
fn what_is_stored_elsewhere_is_reserved_as_the_whole_context() {
    let extent = Extent {
        unseen: true,
        ..Extent::default()
    };
    let mut facts = with_extent(Operation::Responses, extent);
    facts.max_tokens = Some(16);
    let usage = Usage {
        input_tokens: 128_000,
        output_tokens: 16,
        ..Usage::default()
    };
    assert_eq!(most("chat", &facts), cost("chat", &usage));
    let unknown = quoted(&LIVE, "private", &facts).unwrap_err();
    assert_eq!(
        unknown,
        Refusal::UnknownContext {
            model: "private".into()
        }
    );
}

#[test]
fn what_has_no_bound_is_refused() {
    let extent = Extent {
        unbounded: Some("tools.web_search".into()),
        ..Extent::default()
    };
    let facts_with_tool = with_extent(Operation::Responses, extent);
    let live = &*LIVE;
    let refusal = quoted(live, "chat", &facts_with_tool).unwrap_err();
    let member = "tools.web_search".to_owned();
    assert_eq!(refusal, Refusal::Unbounded { member });
    let chat = facts(Operation::ChatCompletions);
    assert!(quoted(live, "searching", &chat).is_err());
    let attempts = [attempt(live, "searching")];
    let estimate = Estimate {
        facts: &chat,
        attempts: &attempts,
    };
    assert!(quote(live, &estimate, "searching", false).is_ok());
}

#[test]
fn what_a_deployment_adds_is_reserved_too() {
    let facts = facts(Operation::ChatCompletions);
    let three = Usage {
        input_tokens: 100 + 10,
        output_tokens: 3 * 50,
        ..Usage::default()
    };
    let most = most("adding", &facts);
    assert!(most >= cost("adding", &three));
    assert!(most < cost("adding", &three).saturating_add(NanoDollars::new(1_000_000)));
}

const ALIASES: [&str; 11] = [
    "chat",
    "claude",
    "gemini",
    "sound",
    "image",
    "imagen",
    "speech",
    "voice",
    "whisper",
    "transcript",
    "vectors",
];

prop_compose! {
    fn any_facts()(
        operation in proptest::sample::select(&Operation::ALL[..]),
        prompt_bound in 1_u64..400_000,
        max_tokens in proptest::option::of(1_u64..100_000),
        choices in 1_u32..5,
        (images, audio_ms, output_tokens) in (0_u64..20, 0_u64..10_000_000, 0_u64..1_000),
    ) -> Facts {
        let extent = Extent { images, audio_ms, output_tokens, unseen: false, unbounded: None };
        Facts { prompt_bound, max_tokens, choices, extent, ..facts(operation) }
    }
}

/// What a provider may report of a request with `facts`, by its own limits; `parts` choose.
fn reported(facts: &Facts, sizes: &Sizes, cap: u64, parts: [u16; 8]) -> Usage {
    let share = |whole: u64, part: u16| whole.saturating_mul(part.into()) / u64::from(u16::MAX);
    let extent = &facts.extent;
    let images = share(extent.images.saturating_mul(sizes.image_tokens), parts[0]);
    let sound = share(extent.audio_ms * 32 / 1000, parts[1]);
    let input = share(facts.prompt_bound, parts[2]) + images + sound;
    let choices = u64::from(facts.choices);
    let (output, made) = match facts.operation {
        Operation::ImagesGenerations | Operation::ImagesEdits | Operation::ImagesVariations => {
            (share(6_240 * choices, parts[3]), choices)
        }
        Operation::AudioSpeech => (share(facts.prompt_bound * 6, parts[3]).min(16_384), 0),
        Operation::AudioTranscriptions | Operation::AudioTranslations => {
            (share(sizes.max_output_tokens.unwrap_or(2_000), parts[3]), 0)
        }
        Operation::ChatCompletions
        | Operation::Completions
        | Operation::Responses
        | Operation::Messages => (share(cap * choices + extent.output_tokens, parts[3]), 0),
        _ => (0, 0),
    };
    let spoken = facts.operation == Operation::AudioSpeech;
    let heard = facts.operation.is_multipart() && made == 0;
    Usage {
        input_tokens: input,
        cached_tokens: share(input, parts[4]),
        cache_write_tokens: input - share(input, parts[4]),
        audio_input_tokens: sound,
        output_tokens: output,
        reasoning_tokens: share(output, parts[5]),
        audio_output_tokens: share(output, parts[6]),
        images: made,
        image_output_tokens: share(output, parts[6]),
        audio_ms: if heard {
            share(extent.audio_ms, parts[7])
        } else if spoken {
            share(facts.prompt_bound.saturating_mul(300), parts[7])
        } else {
            0
        },
        characters: if spoken {
            share(facts.prompt_bound, parts[7])
        } else {
            0
        },
    }
}

proptest! {
    #[test]
    fn nothing_that_a_provider_reports_costs_more_than_is_reserved(
        alias in proptest::sample::select(&ALIASES[..]), facts in any_facts(),
        parts in any::<[u16; 8]>(), budget in 0_u64..5_000_000_000,
    ) {
        let live = &*LIVE;
        let attempt = attempt(live, alias);
        let quote = quoted(live, alias, &facts).unwrap();
        // The cap that a budget leaves, which is sent to the provider.
        let Ok(Some(cap)) = quote.output_within(NanoDollars::new(budget)) else {
            return Ok(());
        };
        let reserved = quote.most_with(cap).unwrap();
        prop_assert!(reserved <= NanoDollars::new(budget));
        let usage = reported(&facts, &live.sizes(&attempt.deployment, ""), cap, parts);
        let (price, _) = live.price(&attempt.deployment, "").unwrap();
        if let Ok(cost) = price.cost(&usage) {
            prop_assert!(cost <= reserved, "{}: {} > {}", alias, cost, reserved);
        }
    }
}

#[test]
fn an_unknown_price_is_free_only_where_that_is_allowed() {
    let chat = facts(Operation::ChatCompletions);
    assert!(
        quoted(&LIVE, "far/no-such-model", &chat)
            .unwrap()
            .most()
            .is_err()
    );
    let free = format!("{CONFIG}\ndragoman: {{unknown_price: allow}}\n");
    let config = dragoman_config::load(&free, &|_: &str| None).unwrap();
    let live = Live::new(config, &Arc::new(PriceTable::empty())).unwrap();
    let free = quoted(&live, "chat", &chat).unwrap();
    assert_eq!(free.most(), Ok(NanoDollars::ZERO));
}
