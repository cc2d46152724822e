//! What a bundle looks like: lines of records in parts, and a manifest.
//!
//! The digest that the journal keeps is over the manifest's body and a chain over links and headers; headers hold the digests of
//! bodies. So it holds all that is in a bundle, and stays the same when a body is erased from it.

use serde::{Deserialize, Serialize};

use crate::{
    error::{BundleFault, Error, Result},
    hash::{Hash, hex128},
    id::{ArchiveId, SessionId, TenantId, WorkspaceId},
    journal::Record,
    record::{RecordHeader, body_digest},
};

/// Bytes of lines after which another part begins; a part is longer only by its last record.
pub(crate) const PARTS_FROM: usize = 4 << 20;

/// What every name of a bundle's objects begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BundleName(String);

impl BundleName {
    /// What the names of all bundles of a store's tenant begin with.
    pub(crate) fn prefix_of(store: u128, tenant: &TenantId) -> String {
        format!("{store:032x}/{tenant}/")
    }

    pub(crate) fn new(store: u128, tenant: &TenantId, archive: ArchiveId) -> Self {
        Self(format!("{}{archive}/", Self::prefix_of(store, tenant)))
    }

    /// The archive that a name below the tenant's prefix belongs to.
    pub(crate) fn archive_in(prefix: &str, name: &str) -> Option<ArchiveId> {
        name.strip_prefix(prefix)?.split_once('/')?.0.parse().ok()
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.0
    }

    pub(crate) fn manifest(&self) -> String {
        format!("{}manifest", self.0)
    }

    /// A part.
    pub(crate) fn part(&self, part: &str) -> String {
        format!("{}{part}", self.0)
    }
}

/// One record as a part keeps it: a line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) header: String,
    pub(crate) link: Hash,
    /// Zero where the body was erased.
    #[serde(with = "hex128")]
    pub(crate) salt: u128,
    /// Of blobs, too; none where it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
}

impl Kept {
    /// A record, and its body with the salt of its digest.
    pub(crate) fn new(record: &Record, body: Option<([u8; 16], &str)>) -> Self {
        Self {
            header: (*record.header).to_owned(),
            link: record.link,
            salt: body.map_or(0, |(salt, _)| u128::from_be_bytes(salt)),
            body: body.map(|(_, text)| text.to_owned()),
        }
    }

    /// Its header, if its body is the one that the header speaks of, or erased.
    pub(crate) fn checked(&self) -> Option<RecordHeader> {
        let header: RecordHeader = serde_json::from_str(&self.header).ok()?;
        let fits = self.body.as_ref().is_none_or(|body| {
            body_digest(&self.salt.to_be_bytes(), body.as_bytes()) == header.digest
        });
        fits.then_some(header)
    }

    /// The chain over the records so far, with this one.
    fn chained(&self, before: &Hash) -> Hash {
        Hash::of(&[before.bytes(), self.link.bytes(), self.header.as_bytes()])
    }
}

/// A part, as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) hash: Hash,
}

impl Part {
    /// A part of these lines.
    pub(crate) fn of(name: String, lines: &[u8]) -> Self {
        Self { name, bytes: lines.len() as u64, hash: Hash::of(&[lines]) }
    }
}

/// The workspace that the session had, by its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedWorkspace {
    pub(crate) id: WorkspaceId,
    pub(crate) kind: String,
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) saved: Option<String>,
}

/// Whose bundle it is, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManifestBody {
    pub(crate) format: u32,
    pub(crate) tenant: TenantId,
    pub(crate) session: SessionId,
    pub(crate) archive: ArchiveId,
    pub(crate) records: u64,
    pub(crate) entries: u64,
    pub(crate) summaries: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) workspace: Option<SavedWorkspace>,
}

impl ManifestBody {
    /// The format of this release.
    pub(crate) const FORMAT: u32 = 1;
}

/// The manifest: the mark that a bundle is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) body: ManifestBody,
    /// The chain over all records.
    pub(crate) chain: Hash,
    pub(crate) parts: Vec<Part>,
}

impl Manifest {
    /// What the journal keeps of a bundle.
    pub(crate) fn digest(&self) -> Result<Hash> {
        Ok(Hash::of(&[&encode(&self.body)?, self.chain.bytes()]))
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        encode(self)
    }

    /// The manifest in these bytes, if it is that of a bundle with this digest, byte for byte.
    pub(crate) fn decode(archive: ArchiveId, bytes: &[u8], digest: &Hash) -> Result<Self> {
        let altered = || Error::BrokenBundle { archive, fault: BundleFault::Altered };
        let manifest: Self = serde_json::from_slice(bytes).map_err(|_| altered())?;
        if manifest.body.format > ManifestBody::FORMAT {
            return Err(Error::NewerFormat {
                what: format!("the bundle of {archive}"),
                needs: u64::from(manifest.body.format),
                has: u64::from(ManifestBody::FORMAT),
            });
        }
        if manifest.body.archive != archive
            || manifest.digest()? != *digest
            || manifest.encode()? != bytes
        {
            return Err(altered());
        }
        Ok(manifest)
    }
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::invalid("bundle", e.to_string()))
}

/// Collects the lines of a part, and the chain over all parts.
#[derive(Debug)]
pub(crate) struct BundleWriter {
    chain: Hash,
    lines: Vec<u8>,
    pub(crate) records: u64,
}

impl Default for BundleWriter {
    fn default() -> Self {
        Self { chain: Hash::ZERO, lines: Vec::new(), records: 0 }
    }
}

impl BundleWriter {
    pub(crate) fn push(&mut self, kept: &Kept) -> Result<()> {
        self.chain = kept.chained(&self.chain);
        self.lines.extend(encode(kept)?);
        self.lines.push(b'\n');
        self.records += 1;
        Ok(())
    }

    pub(crate) const fn chain(&self) -> Hash {
        self.chain
    }

    /// Bytes of the part that is collected.
    pub(crate) const fn bytes(&self) -> usize {
        self.lines.len()
    }

    /// The lines of the part that is collected; another begins.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.lines)
    }

    /// Reads the lines of a part, adds them to the chain, and answers them, each with its header.
    pub(crate) fn read(
        &mut self,
        archive: ArchiveId,
        part: &Part,
        bytes: &[u8],
    ) -> Result<Vec<(RecordHeader, Kept)>> {
        let altered = || Error::BrokenBundle { archive, fault: BundleFault::Altered };
        if *part != Part::of(part.name.clone(), bytes) {
            return Err(altered());
        }
        let mut read = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let kept: Kept = serde_json::from_slice(line).map_err(|_| altered())?;
            let header = kept.checked().ok_or_else(altered)?;
            self.chain = kept.chained(&self.chain);
            self.records += 1;
            read.push((header, kept));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ThreadId;

    #[test]
    fn names_are_injective_and_come_back() {
        let thread = ThreadId::from_bits(7);
        let mut seen = std::collections::BTreeSet::new();
        for tenant in ["acme", "acme2", "a.b", "a-b", "a_b"] {
            let tenant = TenantId::new(tenant).unwrap();
            for store in [1, 2] {
                let prefix = BundleName::prefix_of(store, &tenant);
                for archive in [ArchiveId::new(thread, 1), ArchiveId::new(thread, 11)] {
                    let name = BundleName::new(store, &tenant, archive);
                    assert!(seen.insert(name.manifest()) && seen.insert(name.part("1")));
                    assert_eq!(BundleName::archive_in(&prefix, &name.manifest()), Some(archive));
                }
            }
            let other = BundleName::prefix_of(1, &TenantId::new("acme").unwrap());
            let mine = BundleName::new(1, &tenant, ArchiveId::new(thread, 1)).manifest();
            assert_eq!(mine.starts_with(&other), tenant.as_str() == "acme");
        }
    }
}
