//! Where the server is, and who asks.

use std::{path::PathBuf, time::Duration};

use sessile_core::error::{Error, Result};
use tokio_postgres::{Config, config::SslMode};

/// Whether a connection is encrypted, and what is checked of the server; the words are those of PostgreSQL's own clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tls {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server can; the server is not checked.
    #[default]
    Prefer,
    /// Encrypted; the server is not checked, unless roots are given: then as [`VerifyFull`](Self::VerifyFull).
    Require,
    /// Encrypted; the server's certificate and name are checked.
    VerifyFull,
}

/// How to open a store on a server.
///
/// Its `Debug` says nothing of the server: an address may hold a password.
#[derive(Clone)]
pub struct Options {
    pub(super) config: Config,
    pub(super) schema: String,
    pub(super) tls: Tls,
    pub(super) roots: Option<PathBuf>,
    pub(super) connections: usize,
}

/// A dead peer is noticed within this time; a connection is made within it.
const PEER: Duration = Duration::from_secs(10);

impl Options {
    /// Reads an address: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, each part optional and percent-encoded. What it does not
    /// say is taken from `PGUSER`, `PGPASSWORD`, `PGHOST`, `PGPORT` and `PGDATABASE`; then from the defaults: the name of the user
    /// of the system, no password, `localhost`, 5432, a database named as the user.
    ///
    /// # Errors
    /// `Invalid` if it is no such address; the error does not repeat it.
    pub fn new(address: &str) -> Result<Self> {
        let malformed = |_| {
            let reason = "the address or the environment is malformed; write \
                          `postgres://USER@HOST:PORT/DATABASE`, and set `PGPASSWORD`";
            Error::invalid("store", reason)
        };
        if !address.starts_with("postgres://") && !address.starts_with("postgresql://") {
            return Err(Error::invalid("store", "an address begins with `postgres://`"));
        }
        let mut config: Config = address.parse().map_err(malformed)?;
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        if config.get_user().is_none() {
            set("PGUSER").map(|user| config.user(user));
        }
        if config.get_password().is_none() {
            set("PGPASSWORD").map(|password| config.password(password));
        }
        if config.get_dbname().is_none() {
            set("PGDATABASE").map(|database| config.dbname(database));
        }
        if config.get_hosts().is_empty() {
            config.host(set("PGHOST").unwrap_or_else(|| "localhost".into()));
            if let Some(port) = set("PGPORT").filter(|_| config.get_ports().is_empty()) {
                let port = port.parse().map_err(|_| Error::invalid("store", "`PGPORT` is no port"));
                config.port(port?);
            }
        }
        if config.get_application_name().is_none() {
            config.application_name("sessile");
        }
        config.connect_timeout(PEER).tcp_user_timeout(PEER).keepalives_idle(PEER);
        let schema = "sessile".into();
        Ok(Self { config, schema, tls: Tls::default(), roots: None, connections: 8 })
    }

    /// The schema of the store, created if it is not there: `sessile` if nothing else is said.
    ///
    /// # Errors
    /// `Invalid` unless it is 1 to 63 lower-case letters, digits and `_`, and begins with a letter other than in `pg_`.
    pub fn with_schema(mut self, schema: &str) -> Result<Self> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let is_named = schema.starts_with(|c: char| c.is_ascii_lowercase());
        if !is_named || schema.starts_with("pg_") || schema.len() > 63 || !schema.bytes().all(fits)
        {
            let reason = "a schema is 1 to 63 lower-case letters, digits and `_`, begins with a letter, and not with `pg_`";
            return Err(Error::invalid("schema", reason));
        }
        schema.clone_into(&mut self.schema);
        Ok(self)
    }

    /// Sets whether connections are encrypted.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self.config.ssl_mode(match tls {
            Tls::Disable => SslMode::Disable,
            Tls::Prefer => SslMode::Prefer,
            Tls::Require | Tls::VerifyFull => SslMode::Require,
        });
        self
    }

    /// Checks the server against the certificates of this file (PEM), not against those of the platform.
    #[must_use]
    pub fn with_roots(mut self, file: impl Into<PathBuf>) -> Self {
        self.roots = Some(file.into());
        self
    }

    /// Bounds the connections of one handle: 8 if nothing else is said, 1 at least. They are made as they are needed.
    #[must_use]
    pub fn with_connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("schema", &self.schema).finish_non_exhaustive()
    }
}
