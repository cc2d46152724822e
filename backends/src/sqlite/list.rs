//! Lists: one range of one index each.

use rusqlite::{Connection, ToSql};
use sessile_core::{
    id::{ProjectId, Space},
    journal::{ListOrder, ListQuery, ListRow},
};

use super::read::{self, EngineResult};

pub(super) fn list(conn: &Connection, query: &ListQuery) -> EngineResult<Vec<ListRow>> {
    let (tenant, kind) = (query.tenant.as_str(), read::kind(query.kind));
    let limit = read::at_most(query.limit);
    let characters = |bits| Space::new(query.tenant.clone(), query.kind, bits).characters();
    let project = query.project.map(|project| project.space(&query.tenant).characters());
    let name = query.after.map(|(_, bits)| characters(bits));
    let updated = query.after.map(|(updated, _)| read::order(updated));
    let mut sql = String::from(
        "SELECT name, head, hash, updated, card FROM space \
         WHERE tenant = :tenant AND kind = :kind AND live = 1",
    );
    let mut params: Vec<(&str, &dyn ToSql)> =
        vec![(":tenant", &tenant), (":kind", &kind), (":limit", &limit)];
    if let Some(project) = &project {
        sql.push_str(" AND project = :project");
        params.push((":project", project));
    }
    match (query.order, &name) {
        (ListOrder::Id, Some(name)) => {
            sql.push_str(" AND name > :name");
            params.push((":name", name));
        }
        (ListOrder::Updated, Some(name)) => {
            sql.push_str(" AND (updated, name) < (:updated, :name)");
            params.push((":updated", &updated));
            params.push((":name", name));
        }
        (_, None) => {}
    }
    sql.push_str(match query.order {
        ListOrder::Id => " ORDER BY name LIMIT :limit",
        ListOrder::Updated => " ORDER BY updated DESC, name DESC LIMIT :limit",
    });
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params.as_slice())?;
    let mut list = Vec::new();
    while let Some(row) = rows.next()? {
        // Both kinds of id are the same characters behind a prefix.
        let id: String = format!("prj_{}", row.get_ref(0)?.as_str().unwrap_or_default());
        let bits = id.parse::<ProjectId>()?.bits();
        let space = Space::new(query.tenant.clone(), query.kind, bits);
        let head = read::head_of(&space, row, 1)?;
        list.push(ListRow { space, head });
    }
    Ok(list)
}
