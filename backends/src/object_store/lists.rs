//! Lists: marks say which spaces there may be, heads which there are.

use futures_util::{StreamExt as _, stream};
use sessile_core::{
    clock::Timestamp,
    error::Result,
    id::{Space, ThreadId},
    journal::{ListOrder, ListQuery, ListRow},
};

use super::Inner;

/// Heads that one list reads at a time.
const PARALLEL: usize = 16;

impl Inner {
    /// A page. By id it reads the heads of the page; by time of update those of the whole scope.
    pub(super) async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        if query.limit == 0 {
            return Ok(Vec::new());
        }
        let scope = self.keys.scope(&query.tenant, query.kind, query.project);
        let mut bits: Vec<u128> = self
            .keys_below(&scope)
            .await?
            .iter()
            .filter_map(|key| bits_of(key.filename()?))
            .collect();
        bits.sort_unstable();
        match query.order {
            ListOrder::Id => {
                bits.retain(|bits| query.after.is_none_or(|(_, after)| *bits > after));
                self.rows(query, bits, query.limit).await
            }
            ListOrder::Updated => {
                let mut rows = self.rows(query, bits, usize::MAX).await?;
                let at = |row: &ListRow| {
                    let card = row.head.card.as_ref();
                    (card.map_or(Timestamp::from_millis(0), |c| c.updated_at), row.space.bits())
                };
                rows.retain(|row| query.after.is_none_or(|after| at(row) < after));
                rows.sort_by_key(|row| std::cmp::Reverse(at(row)));
                rows.truncate(query.limit);
                Ok(rows)
            }
        }
    }

    async fn rows(&self, query: &ListQuery, bits: Vec<u128>, limit: usize) -> Result<Vec<ListRow>> {
        let mut heads = stream::iter(bits)
            .map(|bits| async move {
                let space = Space::new(query.tenant.clone(), query.kind, bits);
                let head = self.peek(&self.site(&space)).await.map(|view| view.head());
                (space, head)
            })
            .buffered(PARALLEL);
        let mut rows = Vec::new();
        while rows.len() < limit
            && let Some((space, head)) = heads.next().await
        {
            if let Some(head) = head? {
                rows.push(ListRow { space, head });
            }
        }
        Ok(rows)
    }
}

/// The bits that 26 characters spell; threads and projects are spelled alike.
pub(super) fn bits_of(characters: &str) -> Option<u128> {
    let id: ThreadId = format!("thd_{characters}").parse().ok()?;
    Some(id.bits())
}
