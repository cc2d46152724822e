//! The clouds' stores by address. Credentials come from the environment or the provider's own chain, never from an address.

use std::{sync::Arc, time::Duration};

use object_store::{ClientOptions, ObjectStore, RetryConfig};
use sessile_core::error::{Error, Result};

use super::{Objects, Options};

/// A cloud's store of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cloud {
    /// Amazon S3, or a server with its protocol.
    #[cfg(feature = "s3")]
    S3,
    /// Google Cloud Storage.
    #[cfg(feature = "gcs")]
    Gcs,
    /// Azure Blob Storage.
    #[cfg(feature = "azure")]
    Azure,
}

/// One attempt of a request takes no longer than this.
const ATTEMPT: Duration = Duration::from_secs(30);

/// Attempts of the client. Few, because it repeats conditional requests too, and the journal knows better when to.
fn retry() -> RetryConfig {
    RetryConfig { max_retries: 3, retry_timeout: 2 * ATTEMPT, ..RetryConfig::default() }
}

fn options() -> ClientOptions {
    ClientOptions::new().with_timeout(ATTEMPT).with_connect_timeout(Duration::from_secs(5))
}

/// Opens a store in a bucket or container, below a prefix. What the environment says of endpoint, region and credentials
/// is read from the variables of the provider's own tools; `AWS_ALLOW_HTTP` or `AZURE_ALLOW_HTTP` set to `true` does
/// without TLS.
///
/// # Errors
///
/// Those of [`Objects::open`], and `Invalid` if the environment describes no store. None repeats what the environment says.
pub async fn connect(
    cloud: Cloud,
    bucket: &str,
    prefix: &str,
    options: Options,
) -> Result<Objects> {
    Objects::open(client(cloud, bucket)?, prefix, options).await
}

/// The bucket or container itself, as [`connect`] opens it: for a program that wraps it before [`Objects::open`].
#[doc(hidden)]
pub fn client(cloud: Cloud, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    // The process may have one already; then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The builder's own words may repeat what the environment says.
    let unusable = |_| {
        let reason = "the environment does not say how to reach it: endpoint, region or credentials \
                      are missing or malformed; set the provider's variables";
        Error::invalid("store", reason)
    };
    let options = options();
    Ok(match cloud {
        #[cfg(feature = "s3")]
        Cloud::S3 => Arc::new(
            object_store::aws::AmazonS3Builder::from_env()
                .with_bucket_name(bucket)
                .with_retry(retry())
                .with_client_options(allowing_http(options, "AWS_ALLOW_HTTP"))
                .build()
                .map_err(unusable)?,
        ),
        #[cfg(feature = "gcs")]
        Cloud::Gcs => Arc::new(
            object_store::gcp::GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(bucket)
                .with_retry(retry())
                .with_client_options(options)
                .build()
                .map_err(unusable)?,
        ),
        #[cfg(feature = "azure")]
        Cloud::Azure => Arc::new(
            object_store::azure::MicrosoftAzureBuilder::from_env()
                .with_container_name(bucket)
                .with_retry(retry())
                .with_client_options(allowing_http(options, "AZURE_ALLOW_HTTP"))
                .build()
                .map_err(unusable)?,
        ),
    })
}

/// Without TLS only where the environment says so.
#[cfg(any(feature = "s3", feature = "azure"))]
fn allowing_http(options: ClientOptions, variable: &str) -> ClientOptions {
    let allowed = std::env::var(variable).is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    options.with_allow_http(allowed)
}
