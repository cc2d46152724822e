//! The layout of keys: what is read together lies together.
//!
//! | key | value |
//! | --- | --- |
//! | `S` | format and id of the store |
//! | `l` tenant 0 kind bits | a living space: its number |
//! | `g` tenant 0 kind bits | a space that was dropped, or has no commit yet: 0, or its number |
//! | `p` tenant 0 scope project bits | a space of a project: its number |
//! | `u` tenant 0 scope project updated bits | a space in the order of updates: its number |
//! | `m` tenant 0 kind bits | a space that is not where it belongs in that order: its number |
//! | `d` number `a` | whose number it is: the key of the living space |
//! | `d` number `r` version | a record; after the last the head, so that a commit writes both in one place |
//! | `d` number `t` stream span | which versions of 64 are the stream's, a bit each |
//! | `d` number `s` | the version of the snapshot |
//! | `d` number `z` | the snapshot |
//! | `d` number `b` name | a blob |
//! | `d` number `c` name | when that blob was put |
//!
//! Numbers are big-endian. A tenant has no zero byte. The number of a space never changes and is never used again.

use std::ops::Range;

use sessile_core::{
    id::{ProjectId, Space, SpaceKind, TenantId, Version},
    journal::{BlobName, Stream},
};

use super::Key;

/// Format and id of the store.
pub const STORE: &[u8] = b"S";

/// In the place of a version: the head.
const HEAD: Version = Version::MAX;

const fn kind(kind: SpaceKind) -> u8 {
    match kind {
        SpaceKind::Project => 0,
        SpaceKind::Thread => 1,
        // 2 and 3 are the scopes of a project's projects and threads.
        SpaceKind::Tenant => 4,
    }
}

fn key(prefix: u8, tenant: &TenantId, parts: &[&[u8]]) -> Key {
    let tenant = tenant.as_str().as_bytes();
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut key = Vec::with_capacity(2 + tenant.len() + length);
    key.push(prefix);
    key.extend(tenant);
    key.push(0);
    parts.iter().for_each(|part| key.extend(*part));
    key
}

fn of_space(prefix: u8, space: &Space) -> Key {
    key(prefix, space.tenant(), &[&[kind(space.kind())], &space.bits().to_be_bytes()])
}

/// The parts of a scope: what one list goes over. A tenant's spaces of a kind, or those of them that belong to a project.
fn scope(of: SpaceKind, project: Option<ProjectId>) -> [u8; 17] {
    let (scope, bits) = project.map_or((kind(of), 0), |it| (2 + kind(of), it.bits()));
    let mut parts = [scope; 17];
    if let Some((_, project)) = parts.split_first_mut() {
        project.copy_from_slice(&bits.to_be_bytes());
    }
    parts
}

/// The key after this one.
pub(super) fn next(mut key: Key) -> Key {
    key.push(0);
    key
}

/// The first key that does not begin with this one, whose last byte is not 255.
fn end(mut key: Key) -> Key {
    if let Some(last) = key.last_mut() {
        *last += 1;
    }
    key
}

/// A living space.
pub fn living(space: &Space) -> Key {
    of_space(b'l', space)
}

/// The living spaces of a tenant and a kind, with more than these bits.
pub(super) fn all_living(tenant: &TenantId, of: SpaceKind, after: Option<u128>) -> Range<Key> {
    let all = key(b'l', tenant, &[&[kind(of)]]);
    let first = after.map_or_else(
        || all.clone(),
        |bits| next(key(b'l', tenant, &[&[kind(of)], &bits.to_be_bytes()])),
    );
    first..end(all)
}

/// A space that was dropped, or has no commit yet.
pub(super) fn gone(space: &Space) -> Key {
    of_space(b'g', space)
}

/// A space that is not where it belongs in the order of updates.
pub(super) fn moved(space: &Space) -> Key {
    of_space(b'm', space)
}

/// All of these.
pub(super) fn all_moved() -> Range<Key> {
    vec![b'm']..vec![b'm' + 1]
}

/// Those of a tenant and a kind.
pub(super) fn moved_of(tenant: &TenantId, of: SpaceKind) -> Range<Key> {
    let all = key(b'm', tenant, &[&[kind(of)]]);
    all.clone()..end(all)
}

/// The space that [`moved`] made a key of.
pub(super) fn moved_space(key: &[u8]) -> Option<Space> {
    let (rest, bits) = key.split_last_chunk::<16>()?;
    let (of, rest) = rest.split_last()?;
    let tenant = rest.get(1..rest.len().checked_sub(1)?)?;
    let of = SpaceKind::ALL.into_iter().find(|it| kind(*it) == *of)?;
    let tenant = TenantId::new(std::str::from_utf8(tenant).ok()?).ok()?;
    Some(Space::new(tenant, of, u128::from_be_bytes(*bits)))
}

/// The bits at the end of a key of a living space, of a project's, or of the order of updates.
pub(super) fn bits(key: &[u8]) -> Option<u128> {
    key.last_chunk().map(|bits| u128::from_be_bytes(*bits))
}

/// A space of a project.
pub(super) fn of_project(space: &Space, project: ProjectId) -> Key {
    key(b'p', space.tenant(), &[&scope(space.kind(), Some(project)), &space.bits().to_be_bytes()])
}

/// The spaces of a project with more than these bits.
pub(super) fn all_of_project(
    tenant: &TenantId,
    of: SpaceKind,
    project: ProjectId,
    after: Option<u128>,
) -> Range<Key> {
    let scope = scope(of, Some(project));
    let place = |bits: u128| key(b'p', tenant, &[&scope, &bits.to_be_bytes()]);
    after.map_or_else(|| place(0), |bits| next(place(bits)))..next(place(u128::MAX))
}

/// A space in the order of updates, in one scope.
pub(super) fn updated(space: &Space, project: Option<ProjectId>, updated: u64) -> Key {
    place(space.tenant(), &scope(space.kind(), project), (updated, space.bits()))
}

fn place(tenant: &TenantId, scope: &[u8], (updated, bits): (u64, u128)) -> Key {
    key(b'u', tenant, &[scope, &updated.to_be_bytes(), &bits.to_be_bytes()])
}

/// Time and bits, of a key in the order of updates.
pub(super) fn place_of(key: &[u8]) -> Option<(u64, u128)> {
    let (rest, bits) = key.split_last_chunk()?;
    let updated = rest.last_chunk()?;
    Some((u64::from_be_bytes(*updated), u128::from_be_bytes(*bits)))
}

/// The spaces of a scope that are before a place in the order of updates.
pub(super) fn all_updated(
    tenant: &TenantId,
    of: SpaceKind,
    project: Option<ProjectId>,
    before: Option<(u64, u128)>,
) -> Range<Key> {
    let scope = scope(of, project);
    let last = next(place(tenant, &scope, (u64::MAX, u128::MAX)));
    place(tenant, &scope, (0, 0))..before.map_or(last, |before| place(tenant, &scope, before))
}

fn data(number: u64, parts: &[&[u8]]) -> Key {
    let mut key = Vec::with_capacity(9 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(b'd');
    key.extend(number.to_be_bytes());
    parts.iter().for_each(|part| key.extend(*part));
    key
}

/// Everything of a space but its name and its places in lists.
pub(super) fn all_data(number: u64) -> Range<Key> {
    data(number, &[])..data(number, &[&[u8::MAX]])
}

/// Whose number it is.
pub(super) fn claim(number: u64) -> Key {
    data(number, &[b"a"])
}

/// The record of a version.
pub fn record(number: u64, version: Version) -> Key {
    data(number, &[b"r", &version.to_be_bytes()])
}

/// The records from one version to another.
pub(super) fn records(number: u64, first: Version, last: Version) -> Range<Key> {
    record(number, first)..record(number, last.saturating_add(1))
}

/// The version of a record's key.
pub(super) fn version(key: &[u8]) -> Option<Version> {
    key.last_chunk().map(|version| Version::from_be_bytes(*version))
}

/// The head.
pub(super) fn head(number: u64) -> Key {
    record(number, HEAD)
}

/// Which versions of a span are a stream's.
pub(super) fn span(number: u64, stream: Stream, span: u64) -> Key {
    data(number, &[b"t", &stream.0.to_be_bytes(), &span.to_be_bytes()])
}

/// The spans of a stream from one to another.
pub(super) fn spans(number: u64, stream: Stream, first: u64, last: u64) -> Range<Key> {
    span(number, stream, first)..next(span(number, stream, last))
}

/// The version of the snapshot.
pub(super) fn snapshot_version(number: u64) -> Key {
    data(number, &[b"s"])
}

/// The snapshot.
pub(super) fn snapshot(number: u64) -> Key {
    data(number, &[b"z"])
}

/// A blob.
pub fn blob(number: u64, name: &BlobName) -> Key {
    data(number, &[b"b", name.0.as_bytes()])
}

/// When a blob was put.
pub(super) fn put(number: u64, name: &BlobName) -> Key {
    data(number, &[b"c", name.0.as_bytes()])
}

/// When each blob was put.
pub(super) fn all_put(number: u64) -> Range<Key> {
    let all = data(number, &[b"c"]);
    all.clone()..end(all)
}

/// The name of a blob, from the key of when it was put.
pub(super) fn put_name(key: &[u8]) -> Option<BlobName> {
    std::str::from_utf8(key.get(10..)?).ok().map(|name| BlobName(name.into()))
}
