//! What runs of engines have used, as far as the engines tell it.

use serde::{Deserialize, Serialize};

/// What a run of an engine has used, or several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenUsage {
    /// All that went in, what came from a cache included.
    pub(crate) input_tokens: u64,
    /// All that came out, what is not shown included.
    pub(crate) output_tokens: u64,
    /// In millionths of a US dollar; none: no engine told a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cost_microusd: Option<u64>,
}

impl TokenUsage {
    pub(crate) fn plus(self, other: TokenUsage) -> TokenUsage {
        let cost = match (self.cost_microusd, other.cost_microusd) {
            (None, None) => None,
            (own, other) => Some(own.unwrap_or(0).saturating_add(other.unwrap_or(0))),
        };
        TokenUsage {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost_microusd: cost,
        }
    }

    /// For people.
    pub(crate) fn text(self) -> String {
        let tokens = format!("{} tokens in, {} out", self.input_tokens, self.output_tokens);
        match self.cost_microusd {
            Some(cost) => format!("{tokens}, ${}.{:04}", cost / 1_000_000, cost % 1_000_000 / 100),
            None => tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_kept_to_the_millionth_and_told_to_the_hundredth_of_a_cent() {
        let used = TokenUsage {
            input_tokens: 150,
            output_tokens: 7,
            cost_microusd: Some(1_234_567),
        };
        assert_eq!(used.text(), "150 tokens in, 7 out, $1.2345");
        let unpriced = TokenUsage {
            cost_microusd: None,
            ..used
        };
        assert_eq!(unpriced.plus(used).text(), "300 tokens in, 14 out, $1.2345");
        assert_eq!(unpriced.text(), "150 tokens in, 7 out");
    }
}
