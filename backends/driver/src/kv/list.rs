//! Lists: one range of keys each, or of the order of updates.

use sessile_core::{
    error::Result,
    journal::{Direction, ListOrder, ListQuery, ListRow},
};

use super::{KvJournal, keys, order::listed};

impl KvJournal {
    pub(super) async fn rows(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        let mut after = match query.order {
            ListOrder::Updated => return self.newest(query).await,
            ListOrder::Id => query.after.map(|(_, bits)| bits),
        };
        let mut page = Vec::new();
        // A page that is not full is the last one, so those that were dropped meanwhile are made up for.
        while page.len() < query.limit {
            let range = match query.project {
                None => keys::all_living(&query.tenant, query.kind, after),
                Some(project) => keys::all_of_project(&query.tenant, query.kind, project, after),
            };
            let wanted = query.limit - page.len();
            let keys = self.kv.scan(range, Direction::Forward, wanted, usize::MAX).await?;
            let rows = self.live_of(query, keys.iter().filter_map(listed)).await?;
            page.extend(
                rows.into_iter().map(|(space, live)| ListRow { head: live.row.head, space }),
            );
            after = keys.last().and_then(listed).map(|(bits, _)| bits);
            if keys.len() < wanted {
                break;
            }
        }
        Ok(page)
    }
}
