//! What requests cost, and where prices are found.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn price(input: u64, output: u64) -> Price {
    Price::per_token(PicoPrice(input), PicoPrice(output))
}

fn tokens(input: u64, output: u64) -> Usage {
    Usage {
        input_tokens: input,
        output_tokens: output,
        ..Usage::default()
    }
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

#[test]
fn a_request_is_rounded_up_once() {
    // 3 x 150,000 + 1 x 600,001 picos = 1,050.001 nanos
    let cost = price(150_000, 600_001).cost(&tokens(3, 1));
    assert_eq!(cost, Ok(NanoDollars::new(1_051)));
}

#[test]
fn parts_of_the_input_and_output_have_their_own_price() {
    let price = Price {
        cached_input: Some(PicoPrice(100_000)),
        cache_write: Some(PicoPrice(1_250_000)),
        reasoning: Some(PicoPrice(3_000_000)),
        ..price(1_000_000, 2_000_000)
    };
    let usage = Usage {
        cached_tokens: 10,
        cache_write_tokens: 4,
        reasoning_tokens: 5,
        ..tokens(20, 7)
    };
    // 6 plain + 10 cached + 4 written; 2 plain + 5 reasoning
    let picos = 6 * 1_000_000 + 10 * 100_000 + 4 * 1_250_000 + 2 * 2_000_000 + 5 * 3_000_000;
    assert_eq!(price.cost(&usage), Ok(NanoDollars::new(picos / 1_000)));
}

#[test]
fn a_token_of_two_parts_is_charged_once_at_the_dearer_price() {
    let price = Price {
        cached_input: Some(PicoPrice(500)),
        audio_input: Some(PicoPrice(9_000)),
        ..price(1_000, 0)
    };
    let cached_sound = Usage {
        cached_tokens: 10,
        audio_input_tokens: 10,
        ..tokens(10, 0)
    };
    assert_eq!(price.cost(&cached_sound), Ok(NanoDollars::new(90)));
}

#[test]
fn a_long_prompt_has_its_own_cache_prices() {
    let price = Price {
        cached_input: Some(PicoPrice(100)),
        long_context: Some(LongContext {
            above: 10,
            input: PicoPrice(2_000),
            cached_input: Some(PicoPrice(200)),
            cache_write: None,
            output: PicoPrice(0),
        }),
        ..price(1_000, 0)
    };
    let cached = |input| Usage {
        cached_tokens: input,
        ..tokens(input, 0)
    };
    assert_eq!(price.cost(&cached(10)), Ok(NanoDollars::new(1)));
    assert_eq!(price.cost(&cached(20)), Ok(NanoDollars::new(4)));
}

#[test]
fn a_part_without_its_own_price_costs_the_base_price() {
    let usage = Usage {
        cached_tokens: 10,
        audio_input_tokens: 3,
        ..tokens(20, 0)
    };
    assert_eq!(price(1_000, 0).cost(&usage), Ok(NanoDollars::new(20)));
}

#[test]
fn a_long_prompt_has_the_long_prices() {
    let price = Price {
        long_context: Some(LongContext {
            above: 200_000,
            input: PicoPrice(2_000),
            cached_input: None,
            cache_write: None,
            output: PicoPrice(6_000),
        }),
        ..price(1_000, 4_000)
    };
    assert_eq!(
        price.cost(&tokens(200_000, 1)),
        Ok(NanoDollars::new(200_004))
    );
    assert_eq!(
        price.cost(&tokens(200_001, 1)),
        Ok(NanoDollars::new(400_008))
    );
}

#[test]
fn a_unit_without_a_price_is_named_and_never_free() {
    let input_only = Price {
        input: Some(PicoPrice(5_000)),
        ..Price::default()
    };
    assert_eq!(
        input_only.cost(&tokens(1, 1)).unwrap_err().to_string(),
        "no price is known for output tokens: set output_cost_per_token in model_info"
    );
    assert!(Price::default().cost(&tokens(1, 0)).is_err());
    assert!(Price::default().most(&Ceiling::default()).is_err());
    let images = Usage {
        images: 1,
        ..Usage::default()
    };
    assert!(Price::default().cost(&images).is_err());
}

#[test]
fn a_model_sold_by_image_second_or_character_charges_by_it() {
    let by_image = Price {
        image: Some(PicoPrice(40_000_000_000)),
        ..Price::default()
    };
    let images = Usage {
        images: 2,
        ..tokens(30, 0)
    };
    assert_eq!(by_image.cost(&images), Ok(NanoDollars::new(80_000_000)));
    let by_second = Price {
        audio_second: Some(PicoPrice(100_000_000)),
        ..Price::default()
    };
    let audio = Usage {
        audio_ms: 1_500,
        ..Usage::default()
    };
    assert_eq!(by_second.cost(&audio), Ok(NanoDollars::new(150_000)));
}

#[test]
fn a_model_sold_by_image_has_no_price_for_a_chat() {
    let by_image = Price {
        image: Some(PicoPrice(1)),
        ..Price::default()
    };
    let chat = Ceiling {
        input_tokens: 10,
        output_tokens: 10,
        ..Ceiling::default()
    };
    assert!(by_image.most(&chat).is_err());
    let two = Ceiling { images: 2, ..chat };
    assert!(by_image.most(&two).is_ok());
}

#[test]
fn audio_is_charged_by_tokens_where_tokens_are_counted() {
    let either = Price {
        audio_second: Some(PicoPrice(100_000_000)),
        ..price(1_000, 1_000)
    };
    let usage = Usage {
        audio_ms: 60_000,
        ..tokens(10, 10)
    };
    assert_eq!(either.cost(&usage), Ok(NanoDollars::new(20)));
}

#[test]
fn zero_prices_declare_a_model_free() {
    let settings = map(json!({"input_cost_per_token": 0, "output_cost_per_token": 0.0}));
    let free = Price::overridden(&[&settings], None).unwrap().unwrap();
    assert_eq!(free.cost(&tokens(1_000, 1_000)), Ok(NanoDollars::ZERO));
    assert_eq!(free, Price::FREE);
}

#[test]
fn settings_override_the_list_under_litellm_s_names() {
    let listed = Price {
        cached_input: Some(PicoPrice(1)),
        image: Some(PicoPrice(9)),
        ..price(2, 3)
    };
    let info = map(json!({"input_cost_per_token": 1.5e-07, "mode": "chat"}));
    let params = map(json!({"input_cost_per_token": 1, "output_cost_per_token": "6e-07"}));
    let price = Price::overridden(&[&info, &params], Some(&listed))
        .unwrap()
        .unwrap();
    assert_eq!(price.input, Some(PicoPrice(150_000)));
    assert_eq!(price.output, Some(PicoPrice(600_000)));
    assert_eq!(
        price.cached_input, None,
        "it belonged to another input price"
    );
    assert_eq!(price.image, Some(PicoPrice(9)));
}

#[test]
fn no_price_setting_is_no_override() {
    let info = map(json!({"mode": "chat", "input_cost_per_token": null}));
    assert_eq!(Price::overridden(&[&info], None), Ok(None));
}

#[test]
fn a_wrong_price_setting_is_named() {
    let info = map(json!({"output_cost_per_token": -1}));
    let error = Price::overridden(&[&info], None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "output_cost_per_token: a negative amount"
    );
}

#[test]
fn models_are_found_as_litellm_names_them() {
    let table = PriceTable::bundled().unwrap();
    for (provider, model) in [
        ("openai", "gpt-4o-mini"),
        ("openai", "gpt-3.5-turbo"),
        ("openai", "ft:gpt-3.5-turbo:acme::abc"),
        ("anthropic", "claude-3-5-sonnet-20241022"),
        ("anthropic", "claude-sonnet-4-5"),
        ("groq", "openai/gpt-oss-20b"),
        ("groq", "llama-3.1-70b-versatile"),
        ("gemini", "gemini-2.0-flash"),
        ("vertex_ai", "gemini-2.5-flash-image"),
        ("vertex_ai", "claude-haiku-5-5@20260101"),
        ("azure", "gpt-4o-mini-2024-07-18"),
        (
            "bedrock",
            "converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        ("bedrock", "us-east-1/anthropic.claude-sonnet-4-6"),
        ("cohere_chat", "command-r-08-2024"),
        ("ollama_chat", "llama3.2:3b"),
    ] {
        let found = table.lookup(provider, model);
        assert!(
            found.is_some_and(|m| !m.price.is_unknown()),
            "{provider}/{model}"
        );
    }
}

#[test]
fn a_bare_name_is_only_its_own_provider_s() {
    let table = PriceTable::bundled().unwrap();
    assert_eq!(table.lookup("openrouter", "gpt-4o-mini"), None);
    assert_eq!(table.lookup("openai", "no-such-model"), None);
    assert_eq!(table.priced("openai", "gpt-oss:20b", None), None);
}

#[test]
fn a_price_says_where_it_comes_from() {
    let table = PriceTable::bundled().unwrap();
    let listed = table.priced("openai", "gpt-4o", None).unwrap();
    assert_eq!(
        (listed.version, listed.price.input),
        ("2026-11-20", Some(PicoPrice(2_500_000)))
    );
    let set = table.priced("openai", "gpt-4o", Some(Price::FREE)).unwrap();
    assert_eq!(set.version, CONFIG_VERSION);
}

#[test]
fn an_image_is_charged_by_the_piece_or_by_its_tokens() {
    let mut price = Price::per_token(PicoPrice(1_000), PicoPrice(2_000));
    price.image = Some(PicoPrice(50_000));
    let usage = |image_output_tokens| Usage {
        images: 1,
        image_output_tokens,
        ..tokens(10, 30)
    };
    // 10 and 30 tokens, and the piece; then without the tokens that the piece is made of.
    assert_eq!(price.cost(&usage(0)).unwrap().nanos(), 120);
    assert_eq!(price.cost(&usage(20)).unwrap().nanos(), 80);
    price.output = None;
    assert_eq!(price.cost(&usage(0)).unwrap().nanos(), 60);
    price.output = Some(PicoPrice(2_000));
    price.image_output = Some(PicoPrice(4_000));
    assert_eq!(price.cost(&usage(20)).unwrap().nanos(), 10 + 20 + 80);
    // What was not counted is charged by the piece.
    assert_eq!(price.cost(&usage(0)).unwrap().nanos(), 120);
}

#[test]
fn a_long_prompt_is_priced_under_litellm_s_names() {
    let info = map(json!({
        "input_cost_per_token": 1e-6, "output_cost_per_token": 4e-6,
        "input_cost_per_token_above_272k_tokens": 2e-6,
        "cache_read_input_token_cost_above_272k_tokens": 2e-7,
    }));
    let price = Price::overridden(&[&info], None).unwrap().unwrap();
    let long = LongContext {
        above: 272_000,
        input: PicoPrice(2_000_000),
        cached_input: Some(PicoPrice(200_000)),
        cache_write: None,
        output: PicoPrice(4_000_000),
    };
    assert_eq!(price.long_context, Some(long));
}

#[test]
fn price_settings_that_have_no_place_are_told_apart() {
    assert!(is_read("input_cost_per_token_above_200k_tokens"));
    assert!(is_read("output_cost_per_image"));
    assert!(!is_read("input_cost_per_token_batches"));
    assert!(!is_read("file_search_cost_per_1k_calls"));
}

const LISTED: &str = r#"{
    "sample_spec": {"litellm_provider": "one of https://", "input_cost_per_token": "free"},
    "gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6,
        "output_cost_per_token": 2e-6, "max_input_tokens": 128000, "supports_vision": true},
    "mine/new": {"litellm_provider": "mine", "input_cost_per_token": 3e-6},
    "film": {"litellm_provider": "mine", "mode": "video_generation", "output_cost_per_second": 1}
}"#;

#[test]
fn litellm_s_list_is_a_price_table() {
    let table = PriceTable::parse(LISTED).unwrap();
    assert_eq!(table.len(), 2);
    let listed = table.lookup("openai", "gpt-4o").unwrap();
    assert_eq!(listed.price.input, Some(PicoPrice(1_000_000)));
    assert_eq!(listed.max_input_tokens, Some(128_000));
    assert_eq!(table.lookup("mine", "new").unwrap().mode, Mode::Chat);
    assert!(
        table.version().starts_with("litellm-"),
        "{}",
        table.version()
    );
}

#[test]
fn a_table_comes_before_the_one_below_it() {
    let below = Arc::new(PriceTable::bundled().unwrap());
    let table = PriceTable::parse(LISTED).unwrap().over(Arc::clone(&below));
    let over = table.priced("openai", "gpt-4o", None).unwrap();
    assert_eq!(over.price.input, Some(PicoPrice(1_000_000)));
    assert_eq!(over.version, table.version());
    let other = table.priced("openai", "gpt-4o-mini", None).unwrap();
    assert_eq!(other.version, below.version());
}

#[test]
fn a_table_that_is_none_says_why() {
    let error = |json: &str| PriceTable::parse(json).unwrap_err().to_string();
    assert!(error("[]").contains("does not parse"));
    assert_eq!(error("{}"), "the price table has no models");
    assert_eq!(
        error(r#"{"m": {"litellm_provider": "x", "output_cost_per_token": "dear"}}"#),
        "the price table: `m`: output_cost_per_token: not a decimal number"
    );
}

prop_compose! {
    fn maybe_price()(price in proptest::option::of(0_u64..100_000_000)) -> Option<PicoPrice> {
        price.map(PicoPrice)
    }
}

prop_compose! {
    fn any_price()(
        input in 0_u64..100_000_000, output in 0_u64..100_000_000,
        (cached_input, cache_write) in (maybe_price(), maybe_price()),
        (audio_input, audio_output, reasoning) in (maybe_price(), maybe_price(), maybe_price()),
        (image_output, image, audio_second, character, request) in
            (maybe_price(), maybe_price(), maybe_price(), maybe_price(), maybe_price()),
        long in proptest::option::of((1_u64..5_000, any_long())),
        by_token in proptest::bool::weighted(0.8),
    ) -> Price {
        let by_token = |price| by_token.then_some(PicoPrice(price));
        Price {
            input: by_token(input),
            output: by_token(output),
            cached_input, cache_write, audio_input, audio_output, reasoning,
            image_output, image, audio_second, character, request,
            long_context: long.map(|(above, long)| LongContext { above, ..long }),
        }
    }
}

prop_compose! {
    fn any_long()(
        input in 0_u64..100_000_000, output in 0_u64..100_000_000,
        (cached_input, cache_write) in (maybe_price(), maybe_price()),
    ) -> LongContext {
        LongContext {
            above: 0, input: PicoPrice(input), cached_input, cache_write, output: PicoPrice(output),
        }
    }
}

prop_compose! {
    fn any_ceiling()(
        (input_tokens, audio_tokens) in (0_u64..10_000, 0_u64..10_000),
        (output_tokens, uncapped_tokens) in (1_u64..10_000, 0_u64..10_000),
        choices in 1_u32..4,
        (images, audio_ms, characters) in (0_u64..10, 0_u64..100_000, 0_u64..10_000),
    ) -> Ceiling {
        Ceiling {
            input_tokens, audio_tokens, output_tokens, uncapped_tokens, choices, images, audio_ms,
            characters,
        }
    }
}

/// What a provider may report of a request under `ceiling`; parts may overlap.
fn reported(ceiling: &Ceiling, parts: [u16; 10]) -> Usage {
    let share = |whole: u64, part: u16| whole * u64::from(part) / u64::from(u16::MAX);
    let audio_input_tokens = share(ceiling.audio_tokens, parts[0]);
    let input = audio_input_tokens + share(ceiling.input_tokens, parts[1]);
    let capped = ceiling.output_tokens * u64::from(ceiling.choices);
    let output = share(capped + ceiling.uncapped_tokens, parts[2]);
    Usage {
        cached_tokens: share(input, parts[3]),
        cache_write_tokens: share(input - share(input, parts[3]), parts[4]),
        audio_input_tokens,
        reasoning_tokens: share(output, parts[5]),
        audio_output_tokens: share(output, parts[6]),
        images: share(ceiling.images, parts[7]),
        audio_ms: share(ceiling.audio_ms, parts[8]),
        characters: share(ceiling.characters, parts[8]),
        image_output_tokens: share(output, parts[9]),
        ..tokens(input, output)
    }
}

proptest! {
    #[test]
    fn no_request_costs_more_than_the_most(
        price in any_price(), ceiling in any_ceiling(), parts in any::<[u16; 10]>(),
    ) {
        let usage = reported(&ceiling, parts);
        if let (Ok(cost), Ok(most)) = (price.cost(&usage), price.most(&ceiling)) {
            prop_assert!(cost <= most, "{} > {}: {:?}", cost, most, usage);
        }
    }

    #[test]
    fn the_largest_output_that_fits_is_the_largest(
        price in any_price(), input in 0_u64..10_000, amount in 0_u64..1_000_000_000,
    ) {
        prop_assume!(price.input.is_some());
        let amount = NanoDollars::new(amount);
        let with = |output_tokens| Ceiling {
            input_tokens: input, output_tokens, choices: 2, ..Ceiling::default()
        };
        match price.output_within(&with(1), amount).unwrap() {
            None => prop_assert!(price.most(&with(0)).unwrap() > amount),
            Some(u64::MAX) => {}
            Some(cap) => {
                prop_assert!(price.most(&with(cap)).unwrap() <= amount);
                prop_assert!(price.most(&with(cap + 1)).unwrap() > amount);
            }
        }
    }
}
