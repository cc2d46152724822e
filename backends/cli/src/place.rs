//! Where a store is, and how verbs come by one.

use std::path::Path;

use sessile::{handle::Handle, id::TenantId, model::Actor, store::Store};

use crate::fail::{Fail, Result};

/// Whose data a command is about.
pub(crate) struct Scope {
    pub(crate) tenant: TenantId,
    pub(crate) project: Option<String>,
}

impl Scope {
    /// A handle for the system, in the role of this verb.
    pub(crate) fn caller(&self, store: &Store, role: &str) -> Result<Handle> {
        Ok(store.caller(&self.tenant, Actor::system(role))?)
    }
}

/// Opens a store to write to; makes it if it is not there.
pub(crate) async fn create(place: &str) -> Result<Store> {
    Ok(sessile::open(place).await?)
}

/// Opens a store to look at: what is not there is not made.
pub(crate) async fn open(place: &str) -> Result<Store> {
    if let Some(path) = file(place)
        && !Path::new(path).try_exists().map_err(Fail::io(format!("cannot look at {path}")))?
    {
        return Err(Fail::input(format!("there is no store at {path}")));
    }
    Ok(sessile::open(place).await?)
}

/// The file or folder a place names, if it names one.
fn file(place: &str) -> Option<&str> {
    let (scheme, rest) = place.split_once(':').unwrap_or(("", place));
    match scheme {
        "sqlite" | "redb" | "disk" => Some(rest.split_once('?').map_or(rest, |(path, _)| path)),
        "" if place.is_empty() => None,
        "" => Some(place),
        // A drive, or a path that says so.
        _ if scheme.len() == 1 || scheme.contains(['/', '.']) => Some(place),
        _ => None,
    }
}
