//! Cards: what lists show of a space without reading its journal.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{ProjectId, Space, UserId, Version},
    journal::{Card, Limits},
    model::{Amount, Labels, ProjectConfig, ProjectStatus, RollUp, ThreadStatus},
    rules::{project::ProjectState, tenant::TenantState, thread::ThreadState},
};

/// Currencies a card holds; a thread with more is read itself.
const CURRENCIES: usize = 4;

/// The card of a thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ThreadCard {
    pub(crate) project: ProjectId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<String>,
    pub(crate) title: String,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub(crate) labels: Labels,
    pub(crate) status: ThreadStatus,
    pub(crate) created_at: Timestamp,
    pub(crate) sessions: u64,
    /// Workspaces that are not gone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) workspaces: u64,
    /// Sessions that are being handed over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) locked: u64,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(crate) roll_up: RollUp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) users: Vec<UserId>,
    /// Something did not fit: the thread itself must be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) partial: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_empty(roll_up: &RollUp) -> bool {
    *roll_up == RollUp::default()
}

/// The card of a project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProjectCard {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<String>,
    pub(crate) name: String,
    pub(crate) status: ProjectStatus,
    pub(crate) config: ProjectConfig,
    /// What is spent and reserved of its budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) used: Option<(Amount, Amount)>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) version: Version,
}

fn encode(card: &impl Serialize) -> Result<String> {
    serde_json::to_string(card).map_err(|e| Error::invalid("card", e.to_string()))
}

pub(crate) fn of_thread(state: &ThreadState) -> Result<Card> {
    let fields = state
        .thread
        .as_deref()
        .ok_or_else(|| Error::invalid("card", "the thread does not exist"))?;
    let mut card = ThreadCard {
        project: fields.project,
        external_id: fields.external_id.as_deref().map(str::to_owned),
        title: fields.title.clone(),
        labels: fields.labels.clone(),
        status: fields.status,
        created_at: fields.created_at,
        sessions: state.sessions.size() as u64,
        workspaces: state.workspaces.size() as u64,
        locked: state.locked.size() as u64,
        roll_up: (*state.roll_up).clone(),
        users: fields.users.clone(),
        partial: false,
    };
    if let Some(totals) = &mut card.roll_up.totals
        && totals.cost.len() > CURRENCIES
    {
        let mut sums: Vec<_> = totals.cost.iter().map(|(c, sum)| (*sum, c.clone())).collect();
        sums.sort_unstable_by(|a, b| b.cmp(a));
        totals.cost = sums.into_iter().take(CURRENCIES).map(|(sum, c)| (c, sum)).collect();
        card.partial = true;
    }
    let mut json = encode(&card)?;
    if json.len() > Limits::STANDARD.card_bytes {
        card.partial = true;
        card.external_id = None;
        card.title.clear();
        card.labels = Labels::new();
        json = encode(&card)?;
    }
    Ok(Card { updated_at: state.last_at, json })
}

pub(crate) fn of_project(state: &ProjectState) -> Result<Card> {
    let fields = state
        .project
        .as_deref()
        .ok_or_else(|| Error::invalid("card", "the project does not exist"))?;
    let json = encode(&ProjectCard {
        external_id: fields.external_id.clone(),
        name: fields.name.clone(),
        status: fields.status,
        config: fields.config.clone(),
        used: state.budget_use().map(|it| (it.spent, it.reserved)),
        created_at: fields.created_at,
        updated_at: fields.updated_at,
        version: fields.version,
    })?;
    Ok(Card { updated_at: state.last_at, json })
}

/// No list shows a tenant's own journal.
pub(crate) fn of_tenant(state: &TenantState) -> Card {
    Card { updated_at: state.last_at, json: "{}".to_owned() }
}

/// Reads a card that a list brought.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(space: &Space, card: Option<&Card>) -> Result<T> {
    let card = card.ok_or_else(|| Error::corrupt(space, 0, "the space has no card"))?;
    serde_json::from_str(&card.json).map_err(|e| Error::corrupt(space, 0, format!("card: {e}")))
}
