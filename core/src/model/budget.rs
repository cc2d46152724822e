//! Budgets: what work may use.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Currency, Money};
use crate::error::{Error, Result};

/// What the work of a session, of a thread or of a project may use. What it does not name is not bounded.
///
/// A call is refused, or leaves a warning, where it would spend more: see [`OnExceeding`]. What was spent already is booked
/// in any case, and nothing that ends work is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Budget {
    /// Tokens of all four kinds together; at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Cost, at least one millionth. What was paid in another currency does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// What happens when it is used up.
    #[serde(default, skip_serializing_if = "OnExceeding::is_default")]
    pub on_exceeding: OnExceeding,
}

/// What happens to a call that would use more than a budget allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnExceeding {
    /// It is refused as [`Error::BudgetExceeded`].
    #[default]
    Refuse,
    /// It goes on. The feed says once that the budget is used up.
    Warn,
}

impl OnExceeding {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn is_warn(&self) -> bool {
        *self == Self::Warn
    }
}

/// What a budget bounds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BudgetKind {
    /// Tokens of all four kinds together.
    Tokens,
    /// Millionths of a currency.
    Cost(Currency),
    /// Tokens of the context of a session.
    Context,
}

impl fmt::Display for BudgetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokens => f.write_str("tokens"),
            Self::Cost(currency) => write!(f, "millionths of {currency}"),
            Self::Context => f.write_str("tokens of context"),
        }
    }
}

/// An amount of what a budget bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Amount {
    /// Tokens of all four kinds together.
    pub tokens: u64,
    /// Millionths of the currency of the budget; 0 where it bounds no cost.
    pub micro: u64,
}

/// A budget, and what is used of it. Each part may be more than the budget allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BudgetUse {
    /// The budget.
    pub budget: Budget,
    /// What was spent: of a session's, by it and by the sessions below it.
    pub spent: Amount,
    /// What is left of the shares of those who are at work.
    pub reserved: Amount,
}

impl Budget {
    /// So many tokens.
    pub fn of_tokens(tokens: u64) -> Self {
        Self { tokens: Some(tokens), ..Self::default() }
    }

    /// So many millionths of a currency.
    pub fn of_cost(currency: Currency, micro: u64) -> Self {
        Self { cost: Some(Money { currency, micro }), ..Self::default() }
    }

    /// And so many tokens.
    #[must_use]
    pub const fn with_tokens(mut self, tokens: u64) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// And so many millionths of a currency.
    #[must_use]
    pub fn with_cost(mut self, currency: Currency, micro: u64) -> Self {
        self.cost = Some(Money { currency, micro });
        self
    }

    /// One that refuses nothing.
    #[must_use]
    pub const fn warning(mut self) -> Self {
        self.on_exceeding = OnExceeding::Warn;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let is_some = self.tokens.is_some() || self.cost.is_some();
        if is_some && self.limits().all(|(_, limit)| limit > 0) {
            return Ok(());
        }
        Err(Error::invalid(
            "budget",
            "names tokens or a cost, and at least 1 of each that it names",
        ))
    }

    /// What it bounds, and by how much.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (BudgetKind, u64)> {
        let cost = self.cost.as_ref().map(|it| (BudgetKind::Cost(it.currency.clone()), it.micro));
        self.tokens.map(|tokens| (BudgetKind::Tokens, tokens)).into_iter().chain(cost)
    }

    pub(crate) fn limit(&self, kind: &BudgetKind) -> Option<u64> {
        match (kind, &self.cost) {
            (BudgetKind::Tokens, _) => self.tokens,
            (BudgetKind::Cost(currency), Some(cost)) => {
                (cost.currency == *currency).then_some(cost.micro)
            }
            (BudgetKind::Cost(_), None) | (BudgetKind::Context, _) => None,
        }
    }

    pub(crate) fn refuses(&self) -> bool {
        self.on_exceeding == OnExceeding::Refuse
    }

    /// An amount of what it bounds: what `of` says of each.
    pub(crate) fn amount(&self, of: impl Fn(&BudgetKind) -> u64) -> Amount {
        let micro = self.cost.as_ref().map_or(0, |it| of(&BudgetKind::Cost(it.currency.clone())));
        Amount { tokens: of(&BudgetKind::Tokens), micro }
    }
}
