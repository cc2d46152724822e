//! Addresses of stores of objects: a folder, or a cloud's bucket and prefix.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    error::{Error, Result},
    journal::{Journal, Sharing},
};

use super::address::{self, Address, KnownOption};
use crate::object_store::{Objects, Options};

const KNOWN: &[KnownOption] = &[("grace_seconds", "1..86400"), ("fold_after", "1..65536")];

fn options(address: Address<'_>) -> Result<Options> {
    let mut options = Options::default();
    for (name, value) in address.options(KNOWN)? {
        let number = address::number(name, value, KNOWN)?;
        options = match name {
            "grace_seconds" => options.with_grace(Duration::from_secs(number as u64)),
            _ => options.with_fold_after(number),
        };
    }
    Ok(options)
}

/// `file:///absolute/path` or `file://relative/path`.
pub(super) async fn folder(address: Address<'_>) -> Result<Arc<dyn Journal>> {
    let options = options(address)?.with_sharing(Sharing::ManyProcesses);
    let path = address.rest.strip_prefix("//").unwrap_or(address.rest);
    if path.is_empty() {
        return Err(Error::invalid("store", "the path is missing; write it after `file://`"));
    }
    Ok(Arc::new(Objects::open_folder(path, options).await?))
}

/// `scheme://bucket/prefix`.
#[cfg(feature = "cloud")]
pub(super) async fn cloud(
    cloud: crate::object_store::Cloud,
    address: Address<'_>,
) -> Result<Arc<dyn Journal>> {
    let options = options(address)?;
    let place = address.rest.strip_prefix("//").unwrap_or_default();
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.is_empty() {
        return Err(Error::invalid("store", "the bucket is missing; write it after `//`"));
    }
    Ok(Arc::new(crate::object_store::connect(cloud, bucket, prefix, options).await?))
}
