//! What SQLite asks of a file system.

use std::{
    ffi::{CStr, CString, OsStr, c_char, c_int},
    io,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    ptr,
};

use rusqlite::ffi;
use sessile_conformance::medium::{Open, SimFile};

use super::{NAME, file, on};

/// The system's own VFS, found once.
pub(crate) fn system() -> *mut ffi::sqlite3_vfs {
    // SAFETY: a null name asks for the default VFS, which is never unregistered and is not this one.
    unsafe { ffi::sqlite3_vfs_find(ptr::null()) }
}

/// Makes the VFS known under its name.
pub(crate) fn register() -> io::Result<()> {
    let failed = || io::Error::other("SQLite takes no VFS");
    let name = CString::new(NAME).map_err(|_| failed())?;
    // SAFETY: SQLite is initialised by this call, and what it answers lives as long as the process.
    let (base, own) = unsafe {
        if ffi::sqlite3_initialize() != ffi::SQLITE_OK {
            return Err(failed());
        }
        let base = system();
        if base.is_null() {
            return Err(failed());
        }
        (base, *base)
    };
    let vfs = ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<file::File>() as c_int,
        mxPathname: own.mxPathname,
        pNext: ptr::null_mut(),
        zName: name.into_raw(),
        pAppData: base.cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: None,
        xCurrentTimeInt64: Some(current_time_int64),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    };
    // SAFETY: the structure lives for ever, as its name does.
    match unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 0) } {
        ffi::SQLITE_OK => Ok(()),
        _ => Err(failed()),
    }
}

/// A path as SQLite gives it.
///
/// # Safety
/// It is null or a string that ends in zero and outlives the answer.
unsafe fn path<'a>(name: *const c_char) -> Option<&'a Path> {
    if name.is_null() {
        return None;
    }
    // SAFETY: it is a string, says the caller.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    Some(Path::new(OsStr::from_bytes(bytes)))
}

unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives room for `szOsFile` bytes. Without methods, it will not close what did not open.
    unsafe { (*file).pMethods = ptr::null() };
    // SAFETY: SQLite's names are strings, or null for a file without a name.
    let Some((disk, at)) = unsafe { path(name) }.and_then(on) else {
        return ffi::SQLITE_CANTOPEN;
    };
    let is = |flag: c_int| flags & flag != 0;
    let mode = match (is(ffi::SQLITE_OPEN_CREATE), is(ffi::SQLITE_OPEN_EXCLUSIVE)) {
        (true, true) => Open::CreateNew,
        (true, false) => Open::Create,
        _ if is(ffi::SQLITE_OPEN_READWRITE) => Open::Write,
        _ => Open::Read,
    };
    let is_new = disk.stat(&at).is_err();
    let mut opened_as = flags;
    let opened = disk.open(&at, mode).or_else(|error| {
        opened_as = flags & !(ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE)
            | ffi::SQLITE_OPEN_READONLY;
        if mode == Open::Read { Err(error) } else { disk.open(&at, Open::Read) }
    });
    let Ok(opened): io::Result<SimFile> = opened else { return ffi::SQLITE_CANTOPEN };
    let with_journal =
        ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL;
    let carrier = if is(ffi::SQLITE_OPEN_MAIN_DB) {
        // SAFETY: the name is SQLite's own, as `open` of any VFS takes it.
        match unsafe { file::Carrier::open(name) } {
            Ok(carrier) => Some(carrier),
            Err(code) => return code,
        }
    } else {
        None
    };
    let state = file::State {
        disk,
        at,
        file: opened,
        carrier,
        flushes_name: is_new && is(with_journal),
        is_removed_at_close: is(ffi::SQLITE_OPEN_DELETEONCLOSE),
    };
    // SAFETY: the room is `szOsFile` bytes large, and nothing is in it yet.
    unsafe { file::File::put(file, state) };
    if !out.is_null() {
        // SAFETY: it is not null, so it is SQLite's.
        unsafe { *out = opened_as };
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync: c_int,
) -> c_int {
    // SAFETY: SQLite's names are strings.
    let Some((disk, at)) = unsafe { path(name) }.and_then(on) else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    match disk.remove(&at) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => return ffi::SQLITE_IOERR_DELETE_NOENT,
        Err(_) => return ffi::SQLITE_IOERR_DELETE,
    }
    if sync != 0 && disk.sync_dir(Path::new("")).is_err() {
        return ffi::SQLITE_IOERR_DIR_FSYNC;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn access(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite's names are strings.
    let stat = unsafe { path(name) }.and_then(on).and_then(|(disk, at)| disk.stat(&at).ok());
    let is_there = match flags {
        // An empty file counts as none, as in the system's VFS.
        ffi::SQLITE_ACCESS_EXISTS => stat.is_some_and(|stat| stat.len > 0),
        _ => stat.is_some(),
    };
    // SAFETY: SQLite wants the answer there.
    unsafe { *out = c_int::from(is_there) };
    ffi::SQLITE_OK
}

macro_rules! pass_on {
    ($($name:ident => $method:ident($($arg:ident: $type:ty),*);)*) => {
        $(unsafe extern "C" fn $name(_vfs: *mut ffi::sqlite3_vfs, $($arg: $type),*) -> c_int {
            let system = system();
            // SAFETY: the system's VFS lives for ever, and takes what SQLite gives to any VFS.
            match unsafe { (*system).$method } {
                // SAFETY: as above.
                Some(method) => unsafe { method(system, $($arg),*) },
                None => ffi::SQLITE_ERROR,
            }
        })*
    };
}

pass_on! {
    full_pathname => xFullPathname(name: *const c_char, len: c_int, out: *mut c_char);
    randomness => xRandomness(len: c_int, out: *mut c_char);
    sleep => xSleep(micros: c_int);
    current_time => xCurrentTime(out: *mut f64);
    current_time_int64 => xCurrentTimeInt64(out: *mut ffi::sqlite3_int64);
}
