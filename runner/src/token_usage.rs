//! What runs of engines have used, as far as the engines tell it.

use serde::{Deserialize, Serialize};

/// What a run of an engine has used, or several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}
