//! Archives by their address.

use std::sync::Arc;

use sessile_core::{
    archive::ArchiveBackend,
    error::{Error, Result},
};

use super::address::Address;
use crate::archive::ArchiveFolder;

/// Opens an archive by its address; for [`ArchiveBackends`](crate::archive::ArchiveBackends).
///
/// | address | archive |
/// | --- | --- |
/// | `disk:PATH`, or a plain path | files in a folder, created if it is not there |
/// | `file://PATH` | objects in a folder, laid out as in a cloud's bucket |
/// | `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX` | objects of a cloud |
///
/// Endpoint, region and credentials of a cloud are those that [`open`](crate::open) takes from the environment. There are no
/// options.
///
/// # Errors
///
/// `Invalid` for an address that is unknown; `Unsupported` for one that was not compiled in, which names the feature;
/// `Unavailable` if the folder cannot be made.
pub async fn open_archive(url: &str) -> Result<Arc<dyn ArchiveBackend>> {
    let address = Address::parse(url)?;
    address.options(&[])?;
    match address.scheme {
        None | Some("disk") => {
            if address.rest.is_empty() {
                return Err(missing_path());
            }
            Ok(Arc::new(ArchiveFolder::open(address.rest).await?))
        }
        Some(scheme @ ("file" | "s3" | "gs" | "az")) => objects(scheme, address),
        Some(scheme) => {
            let reason = format!(
                "there is no archive `{scheme}:`; possible are `disk:PATH`, `file://PATH`, \
                 `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX` and a plain path"
            );
            Err(Error::invalid("archive", reason))
        }
    }
}

fn missing_path() -> Error {
    Error::invalid("archive", "the path is missing; give one, as in `disk:archive`")
}

#[cfg(not(feature = "object_store"))]
fn objects(_: &str, _: Address<'_>) -> Result<Arc<dyn ArchiveBackend>> {
    Err(super::missing("object_store"))
}

#[cfg(feature = "object_store")]
fn objects(scheme: &str, address: Address<'_>) -> Result<Arc<dyn ArchiveBackend>> {
    use crate::archive::ArchiveObjects;
    let place = address.rest.strip_prefix("//").unwrap_or(address.rest);
    if place.is_empty() {
        return Err(missing_path());
    }
    if scheme == "file" {
        return Ok(Arc::new(ArchiveObjects::in_folder(place)?));
    }
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    Ok(Arc::new(ArchiveObjects::new(bucket_of(scheme, bucket)?, prefix)?))
}

/// The bucket or container of a cloud.
#[cfg(feature = "object_store")]
#[allow(unused_variables, unreachable_patterns, reason = "each cloud is a feature")]
fn bucket_of(scheme: &str, bucket: &str) -> Result<Arc<dyn ::object_store::ObjectStore>> {
    match scheme {
        #[cfg(feature = "s3")]
        "s3" => crate::object_store::client(crate::object_store::Cloud::S3, bucket),
        #[cfg(feature = "gcs")]
        "gs" => crate::object_store::client(crate::object_store::Cloud::Gcs, bucket),
        #[cfg(feature = "azure")]
        "az" => crate::object_store::client(crate::object_store::Cloud::Azure, bucket),
        "s3" => Err(super::missing("s3")),
        "gs" => Err(super::missing("gcs")),
        _ => Err(super::missing("azure")),
    }
}
