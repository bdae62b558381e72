//! What requests cost: prices per unit, the most that a request can cost, what it did cost.

use serde::{Deserialize, Serialize};

use dragoman_proto::Usage;

use crate::money::{NanoDollars, PicoPrice};

mod litellm;
mod overrides;
mod quote;
mod table;
#[cfg(test)]
mod tests;

pub use overrides::{OverrideError, is_read};
pub use quote::Quote;
pub use table::{
    IMAGE_OUTPUT_TOKENS, IMAGE_TOKENS, Mode, Model, PriceTable, PriceTableError, Priced,
};

/// The price version of a model whose prices the configuration sets.
pub const CONFIG_VERSION: &str = "config";

/// The prices of one model, per unit. A price that is not known is `None`, never zero: a request
/// that uses such a unit has no known cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Price {
    /// Per input token.
    pub input: Option<PicoPrice>,
    /// Per input token read from a cache; otherwise as `input`.
    pub cached_input: Option<PicoPrice>,
    /// Per input token written to a cache; otherwise as `input`.
    pub cache_write: Option<PicoPrice>,
    /// Per output token.
    pub output: Option<PicoPrice>,
    /// Per reasoning token; otherwise as `output`.
    pub reasoning: Option<PicoPrice>,
    /// Per input token of audio; otherwise as `input`.
    pub audio_input: Option<PicoPrice>,
    /// Per output token of audio; otherwise as `output`.
    pub audio_output: Option<PicoPrice>,
    /// Per output token of an image; otherwise as `output`, unless images have a price by the piece.
    pub image_output: Option<PicoPrice>,
    /// Per image made, where the tokens that it is made of have no price.
    pub image: Option<PicoPrice>,
    /// Per second of audio, where tokens are not counted.
    pub audio_second: Option<PicoPrice>,
    /// Per character of input, where tokens are not counted.
    pub character: Option<PicoPrice>,
    /// Per request.
    pub request: Option<PicoPrice>,
    /// Other token prices for a long prompt.
    pub long_context: Option<LongContext>,
}

/// Token prices of the whole request once its input is longer than a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongContext {
    /// Input tokens beyond which these prices hold.
    pub above: u64,
    /// Per input token.
    pub input: PicoPrice,
    /// Per input token read from a cache; otherwise as for a shorter prompt.
    #[serde(default)]
    pub cached_input: Option<PicoPrice>,
    /// Per input token written to a cache; otherwise as for a shorter prompt.
    #[serde(default)]
    pub cache_write: Option<PicoPrice>,
    /// Per output token.
    pub output: PicoPrice,
}

/// A unit that was used and whose price is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no price is known for {unit}: set {setting} in model_info")]
pub struct Unpriced {
    /// What was used.
    pub unit: &'static str,
    /// LiteLLM's name of the setting that would price it.
    pub setting: &'static str,
}

/// The most that a request can use. Whoever fills it in bounds every unit that the endpoint can be
/// charged by: what is left at zero is not reserved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ceiling {
    /// Upper bound of the input tokens, but for those of sound.
    pub input_tokens: u64,
    /// Upper bound of the input tokens of sound.
    pub audio_tokens: u64,
    /// Cap of the output tokens of each choice.
    pub output_tokens: u64,
    /// Upper bound of the output tokens that no cap covers, over all choices: images, speech,
    /// transcripts.
    pub uncapped_tokens: u64,
    /// Choices asked for; 0 counts as 1.
    pub choices: u32,
    /// Images asked for.
    pub images: u64,
    /// Milliseconds of audio sent.
    pub audio_ms: u64,
    /// Characters of input.
    pub characters: u64,
}

/// The token prices that hold for one request.
#[derive(Clone, Copy)]
struct TokenRates {
    input: Option<PicoPrice>,
    cached_input: Option<PicoPrice>,
    cache_write: Option<PicoPrice>,
    output: Option<PicoPrice>,
}

impl Price {
    /// Nothing costs anything.
    pub const FREE: Self = Self {
        input: Some(PicoPrice::FREE),
        cached_input: None,
        cache_write: None,
        output: Some(PicoPrice::FREE),
        reasoning: None,
        audio_input: None,
        audio_output: None,
        image_output: None,
        image: Some(PicoPrice::FREE),
        audio_second: Some(PicoPrice::FREE),
        character: Some(PicoPrice::FREE),
        request: Some(PicoPrice::FREE),
        long_context: None,
    };

    /// Input and output tokens, and nothing else.
    pub const fn per_token(input: PicoPrice, output: PicoPrice) -> Self {
        let mut price = Self::UNKNOWN;
        price.input = Some(input);
        price.output = Some(output);
        price
    }

    const UNKNOWN: Self = Self {
        input: None,
        cached_input: None,
        cache_write: None,
        output: None,
        reasoning: None,
        audio_input: None,
        audio_output: None,
        image_output: None,
        image: None,
        audio_second: None,
        character: None,
        request: None,
        long_context: None,
    };

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::UNKNOWN
    }

    /// What `usage` costs, rounded up once.
    ///
    /// Tokens, images and the request itself add up; an image is charged by the piece or by the tokens
    /// that it is made of, not by both. Seconds and characters are other measures of
    /// what tokens measure: they count only where no tokens are counted. A model sold by image,
    /// second, character or request does not charge for tokens unless they have a price too.
    pub fn cost(&self, usage: &Usage) -> Result<NanoDollars, Unpriced> {
        let mut picos = self.request.map_or(0, |price| price.times(1));
        if !self.counts_image_tokens(usage) {
            picos = picos.saturating_add(self.image.map_or(0, |p| p.times(usage.images)));
        }
        let tokens = usage.input_tokens > 0 || usage.output_tokens > 0;
        let priced_by_token = self.input.is_some() || self.output.is_some();
        if tokens && priced_by_token {
            return Ok(nanos(picos.saturating_add(self.tokens(usage)?)));
        }
        let audio = usage.audio_ms > 0 && self.audio_second.is_some();
        let characters = usage.characters > 0 && self.character.is_some();
        picos = picos.saturating_add(self.time_and_characters(usage.audio_ms, usage.characters));
        let paid = self.request.is_some() || (usage.images > 0 && self.image.is_some());
        if !paid && !audio && !characters {
            refuse_unpriced(tokens, usage)?;
        }
        Ok(nanos(picos))
    }

    fn tokens(&self, usage: &Usage) -> Result<u128, Unpriced> {
        let rates = self.rates(usage.input_tokens);
        let mut picos = 0_u128;
        if usage.input_tokens > 0 {
            let base = rates.input.ok_or(INPUT)?;
            let parts = [
                (usage.cached_tokens, rates.cached_input),
                (usage.cache_write_tokens, rates.cache_write),
                (usage.audio_input_tokens, self.audio_input),
            ];
            picos = picos.saturating_add(split(usage.input_tokens, base, &parts));
        }
        if usage.output_tokens > 0 {
            let by_the_piece = (usage.images > 0).then_some(self.image).flatten();
            let covered = by_the_piece.map(|_| PicoPrice::FREE);
            let base = rates.output.or(covered).ok_or(OUTPUT)?;
            let parts = [
                (usage.reasoning_tokens, self.reasoning),
                (usage.audio_output_tokens, self.audio_output),
                (usage.image_output_tokens, self.image_output.or(covered)),
            ];
            picos = picos.saturating_add(split(usage.output_tokens, base, &parts));
        }
        Ok(picos)
    }

    /// Whether images are charged by the tokens that they are made of.
    fn counts_image_tokens(&self, usage: &Usage) -> bool {
        usage.image_output_tokens > 0 && self.image_output.is_some() && self.priced_by_token()
    }

    fn rates(&self, input_tokens: u64) -> TokenRates {
        match self.long_context {
            Some(long) if input_tokens > long.above => TokenRates {
                input: Some(long.input),
                cached_input: long.cached_input.or(self.cached_input),
                cache_write: long.cache_write.or(self.cache_write),
                output: Some(long.output),
            },
            _ => TokenRates {
                input: self.input,
                cached_input: self.cached_input,
                cache_write: self.cache_write,
                output: self.output,
            },
        }
    }

    fn time_and_characters(&self, audio_ms: u64, characters: u64) -> u128 {
        let audio = self.audio_second.map_or(0, |p| p.times(audio_ms));
        let characters = self.character.map_or(0, |p| p.times(characters));
        audio.div_ceil(1_000).saturating_add(characters)
    }

    /// The most that a request under `ceiling` can cost: each unit at its dearest.
    pub fn most(&self, ceiling: &Ceiling) -> Result<NanoDollars, Unpriced> {
        let fixed = self.fixed_most(ceiling)?;
        let output = u128::from(ceiling.output_tokens).saturating_mul(self.output_most(ceiling)?);
        Ok(nanos(fixed.saturating_add(output)))
    }

    /// The largest `output_tokens` under which the request costs at most `amount`; `None` when even
    /// the input does not fit. `u64::MAX` when output is free.
    pub fn output_within(
        &self,
        ceiling: &Ceiling,
        amount: NanoDollars,
    ) -> Result<Option<u64>, Unpriced> {
        let fixed = self.fixed_most(ceiling)?;
        let per_token = self.output_most(ceiling)?;
        let left = amount.picos().checked_sub(fixed);
        Ok(left.map(|left| {
            let tokens = left.checked_div(per_token).unwrap_or(u128::MAX);
            u64::try_from(tokens).unwrap_or(u64::MAX)
        }))
    }

    /// All but the output tokens under the cap.
    fn fixed_most(&self, ceiling: &Ceiling) -> Result<u128, Unpriced> {
        let mut picos = self.request.map_or(0, |price| price.times(1));
        if let Some(image) = self.image {
            picos = picos.saturating_add(image.times(ceiling.images));
        }
        // Either these count or the tokens, never both.
        let other = self.time_and_characters(ceiling.audio_ms, ceiling.characters);
        if !self.priced_by_token() {
            return if self.prices_some_of(ceiling) {
                Ok(picos.saturating_add(other))
            } else {
                Err(INPUT)
            };
        }
        let mut tokens = self.input_most(ceiling)?;
        if ceiling.uncapped_tokens > 0 {
            let by_the_piece = self.image.filter(|_| ceiling.images > 0);
            let dearest = match (self.dearest_output(ceiling), by_the_piece) {
                (Err(_), Some(_)) => PicoPrice::FREE,
                (dearest, _) => dearest?,
            };
            tokens = tokens.saturating_add(dearest.times(ceiling.uncapped_tokens));
        }
        Ok(picos.saturating_add(tokens.max(other)))
    }

    /// The most that the input tokens can cost. A prompt that is shorter than its bound can cost the
    /// prices of a shorter prompt, so these count too.
    fn input_most(&self, ceiling: &Ceiling) -> Result<u128, Unpriced> {
        let (text, audio) = (ceiling.input_tokens, ceiling.audio_tokens);
        let rates = self.rates(text.saturating_add(audio));
        let prices = [
            rates.input,
            rates.cached_input,
            rates.cache_write,
            self.input,
            self.cached_input,
            self.cache_write,
        ];
        let Some(of_text) = prices.into_iter().flatten().max() else {
            return if text == 0 && audio == 0 {
                Ok(0)
            } else {
                Err(INPUT)
            };
        };
        if rates.input.is_none() {
            return Err(INPUT);
        }
        let of_audio = self.audio_input.unwrap_or(of_text).max(of_text);
        Ok(of_text.times(text).saturating_add(of_audio.times(audio)))
    }

    /// Trillionths of a dollar per token of the output cap, over all choices.
    fn output_most(&self, ceiling: &Ceiling) -> Result<u128, Unpriced> {
        if !self.priced_by_token() || ceiling.output_tokens == 0 {
            return Ok(0);
        }
        let dearest = self.dearest_output(ceiling)?;
        Ok(dearest.times(u64::from(ceiling.choices.max(1))))
    }

    fn dearest_output(&self, ceiling: &Ceiling) -> Result<PicoPrice, Unpriced> {
        let input = ceiling.input_tokens.saturating_add(ceiling.audio_tokens);
        let base = self.rates(input).output.ok_or(OUTPUT)?;
        let prices = [
            self.output,
            self.reasoning,
            self.audio_output,
            self.image_output,
        ];
        Ok(prices.into_iter().flatten().fold(base, PicoPrice::max))
    }

    /// Whether a model that is not sold by the token is sold by something that the request uses.
    fn prices_some_of(&self, ceiling: &Ceiling) -> bool {
        self.request.is_some()
            || (self.image.is_some() && ceiling.images > 0)
            || (self.audio_second.is_some() && ceiling.audio_ms > 0)
            || (self.character.is_some() && ceiling.characters > 0)
    }

    fn priced_by_token(&self) -> bool {
        self.input.is_some() || self.output.is_some()
    }
}

const INPUT: Unpriced = Unpriced {
    unit: "input tokens",
    setting: "input_cost_per_token",
};
const OUTPUT: Unpriced = Unpriced {
    unit: "output tokens",
    setting: "output_cost_per_token",
};

fn nanos(picos: u128) -> NanoDollars {
    NanoDollars::from_picos_rounded_up(picos)
}

/// `total` units at `base`, except for the parts that have another price. A unit that belongs to two
/// parts, such as cached sound, is charged once, at the dearer price; a part that is more than the
/// total, as a careless provider reports it, is still charged.
fn split(total: u64, base: PicoPrice, parts: &[(u64, Option<PicoPrice>)]) -> u128 {
    let mut plain = parts
        .iter()
        .fold(total, |most, (units, _)| most.max(*units));
    let mut priced: Vec<(PicoPrice, u64)> = parts
        .iter()
        .filter_map(|(units, price)| Some(((*price)?, *units)))
        .collect();
    priced.sort_unstable_by(|a, b| b.cmp(a));
    let mut picos = 0_u128;
    for (price, units) in priced {
        let units = units.min(plain);
        plain -= units;
        picos = picos.saturating_add(price.times(units));
    }
    picos.saturating_add(base.times(plain))
}

/// Nothing of what was used has a price: fine only when nothing was used.
fn refuse_unpriced(tokens: bool, usage: &Usage) -> Result<(), Unpriced> {
    if tokens {
        return Err(INPUT);
    }
    let unpriced = |unit, setting| Err(Unpriced { unit, setting });
    if usage.images > 0 {
        return unpriced("images", "output_cost_per_image");
    }
    if usage.audio_ms > 0 {
        return unpriced("audio", "input_cost_per_second");
    }
    if usage.characters > 0 {
        return unpriced("characters", "input_cost_per_character");
    }
    Ok(())
}
