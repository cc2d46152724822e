//! What work cost: integers, per currency, never added across.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Budget, BudgetKind};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{RunId, Version},
};

/// Tokens by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// Read by the model.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Written to a cache.
    pub cache_write: u64,
}

impl Tokens {
    /// Input and output only.
    pub const fn new(input: u64, output: u64) -> Self {
        Self { input, output, cache_read: 0, cache_write: 0 }
    }

    pub(crate) const fn add(&mut self, other: &Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
    }
}

/// A currency code: 1 to 8 of `[A-Z0-9]`, such as `USD`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(Arc<str>);

impl Currency {
    /// Checks and takes a code.
    pub fn new(code: impl AsRef<str>) -> Result<Self> {
        let code = code.as_ref();
        let fits = (1..=8).contains(&code.len())
            && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if fits {
            Ok(Self(code.into()))
        } else {
            Err(Error::invalid("currency", format!("{code:?} is not 1 to 8 of [A-Z0-9]")))
        }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let code = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(code).map_err(serde::de::Error::custom)
    }
}

/// An amount in millionths of a currency's unit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// The currency.
    pub currency: Currency,
    /// Millionths.
    pub micro: u64,
}

/// One call of a model, to be booked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens.
    pub tokens: Tokens,
    /// Turns of the conversation it made.
    pub turns: u64,
    /// What it cost; `None` books no cost.
    pub cost: Option<Money>,
    /// The model that was called, where it is not the run's: 1 to 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Who ran the model, where it is not the run's provider: 1 to 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

impl Usage {
    /// Tokens and turns without a cost.
    pub const fn new(tokens: Tokens, turns: u64) -> Self {
        Self { tokens, turns, cost: None, model: None, provider: None }
    }

    /// With a cost.
    #[must_use]
    pub fn with_cost(mut self, currency: Currency, micro: u64) -> Self {
        self.cost = Some(Money { currency, micro });
        self
    }

    /// Of a call to this model.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Of a call to a model that this provider runs.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// The numbers alone, for a header, which holds no names.
    pub(crate) fn numbers(&self) -> Self {
        let Self { tokens, turns, cost, .. } = self;
        Self { cost: cost.clone(), ..Self::new(*tokens, *turns) }
    }
}

/// Sums of usage. Sums stop at the greatest `u64` instead of wrapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Totals {
    /// Calls booked.
    pub calls: u64,
    /// Tokens.
    pub tokens: Tokens,
    /// Turns.
    pub turns: u64,
    /// Cost in millionths, per currency.
    pub cost: BTreeMap<Currency, u64>,
}

impl Totals {
    /// How much of what a budget bounds.
    pub(crate) fn of(&self, kind: &BudgetKind) -> u64 {
        match kind {
            BudgetKind::Tokens => {
                let Tokens { input, output, cache_read, cache_write } = self.tokens;
                [input, output, cache_read, cache_write].into_iter().fold(0, u64::saturating_add)
            }
            BudgetKind::Cost(currency) => self.cost.get(currency).copied().unwrap_or_default(),
            BudgetKind::Context => 0,
        }
    }

    /// As much as an amount allows.
    pub(crate) fn of_amount(amount: &Budget) -> Self {
        let tokens = Tokens { input: amount.tokens.unwrap_or(0), ..Tokens::default() };
        let cost = amount.cost.iter().map(|cost| (cost.currency.clone(), cost.micro)).collect();
        Self { tokens, cost, ..Self::default() }
    }

    /// Adds one call.
    pub(crate) fn book(&mut self, usage: &Usage) {
        self.calls = self.calls.saturating_add(1);
        self.tokens.add(&usage.tokens);
        self.turns = self.turns.saturating_add(usage.turns);
        if let Some(cost) = &usage.cost {
            let sum = self.cost.entry(cost.currency.clone()).or_default();
            *sum = sum.saturating_add(cost.micro);
        }
    }

    /// Adds other totals.
    pub fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.tokens.add(&other.tokens);
        self.turns = self.turns.saturating_add(other.turns);
        for (currency, micro) in &other.cost {
            let sum = self.cost.entry(currency.clone()).or_default();
            *sum = sum.saturating_add(*micro);
        }
    }
}

/// An exact average: a sum over a count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Average {
    /// The sum.
    pub sum: u64,
    /// The count.
    pub count: u64,
}

impl Average {
    /// The quotient, for display; zero over zero is zero.
    #[allow(clippy::cast_precision_loss, reason = "for display; the exact parts are public")]
    pub const fn value(self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }
}

/// Totals of a scope, with what they are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RollUp {
    /// The sums; `None` when no call was ever booked, which is not the same as zero.
    pub totals: Option<Totals>,
    /// Runs that began: every try.
    pub attempts: u64,
    /// Runs that are no retry of another.
    pub iterations: u64,
    /// Runs that succeeded.
    pub succeeded: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that were cancelled.
    pub cancelled: u64,
    /// Runs that live.
    pub live: u64,
}

/// What one run used on average, each retry being a run: exact, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct PerRun {
    /// Calls booked.
    pub calls: Average,
    /// Turns.
    pub turns: Average,
    /// Tokens read by the model.
    pub input: Average,
    /// Tokens written by the model.
    pub output: Average,
    /// Tokens read from a cache.
    pub cache_read: Average,
    /// Tokens written to a cache.
    pub cache_write: Average,
    /// Tokens of all four kinds.
    pub tokens: Average,
}

impl RollUp {
    /// Runs that began as a retry of another: those that are no iterations.
    pub const fn retries(&self) -> u64 {
        self.attempts.saturating_sub(self.iterations)
    }

    /// What a run used on average: the totals over [`attempts`](Self::attempts); zero where no run began.
    pub fn per_run(&self) -> PerRun {
        let over = |sum| Average { sum, count: self.attempts };
        let totals = self.totals.as_ref();
        let tokens = totals.map(|totals| totals.tokens).unwrap_or_default();
        let Tokens { input, output, cache_read, cache_write } = tokens;
        let kinds = [input, output, cache_read, cache_write];
        PerRun {
            calls: over(totals.map_or(0, |totals| totals.calls)),
            turns: over(totals.map_or(0, |totals| totals.turns)),
            input: over(input),
            output: over(output),
            cache_read: over(cache_read),
            cache_write: over(cache_write),
            tokens: over(kinds.into_iter().fold(0, u64::saturating_add)),
        }
    }

    /// Tokens read and written, over attempts.
    pub fn tokens_per_attempt(&self) -> Average {
        let tokens = self.totals.as_ref().map(|t| t.tokens).unwrap_or_default();
        Average { sum: tokens.input.saturating_add(tokens.output), count: self.attempts }
    }

    /// Millionths of a currency, over attempts.
    pub fn cost_per_attempt(&self, currency: &Currency) -> Average {
        let sum =
            self.totals.as_ref().and_then(|t| t.cost.get(currency)).copied().unwrap_or_default();
        Average { sum, count: self.attempts }
    }

    /// Adds the roll-up of another, disjoint scope.
    pub fn add(&mut self, other: &Self) {
        if let Some(totals) = &other.totals {
            self.totals.get_or_insert_default().add(totals);
        }
        self.attempts += other.attempts;
        self.iterations += other.iterations;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.live += other.live;
    }
}

/// One line of a session's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LedgerRow {
    /// Its version.
    pub version: Version,
    /// When it was booked.
    pub at: Timestamp,
    /// The run that made the call.
    pub run: RunId,
    /// The caller's id of the call.
    pub call: String,
    /// The call.
    pub usage: Usage,
    /// The session's totals up to and with this line.
    pub running: Totals,
}
