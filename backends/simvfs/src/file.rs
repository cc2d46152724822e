//! What SQLite asks of an open file.

use std::{
    ffi::{c_int, c_void},
    io,
    path::{Path, PathBuf},
    ptr,
};

use rusqlite::ffi;
use sessile_conformance::medium::{SimDisk, SimFile};

use super::vfs::system;

/// The file that carries locks and shared memory: empty, and the system's own.
pub(crate) struct Carrier(Box<[u64]>);

impl Carrier {
    /// Opens it under the same name.
    ///
    /// # Safety
    /// The name is one that SQLite gave to `xOpen`.
    pub(crate) unsafe fn open(name: ffi::sqlite3_filename) -> Result<Self, c_int> {
        let system = system();
        // SAFETY: the system's VFS lives for ever.
        let (size, open) = unsafe { ((*system).szOsFile, (*system).xOpen) };
        let mut carrier = Self(vec![0; (size as usize).div_ceil(8)].into());
        let flags = ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE;
        let open = open.ok_or(ffi::SQLITE_ERROR)?;
        // SAFETY: there is room for the system's file, aligned for any of its fields, and it does not move.
        match unsafe { open(system, name, carrier.file(), flags, ptr::null_mut()) } {
            ffi::SQLITE_OK => Ok(carrier),
            code => Err(code),
        }
    }

    fn file(&mut self) -> *mut ffi::sqlite3_file {
        self.0.as_mut_ptr().cast()
    }

    fn methods(&mut self) -> Option<ffi::sqlite3_io_methods> {
        // SAFETY: it was opened, so it has methods, or a null pointer.
        unsafe { (*self.file()).pMethods.as_ref().copied() }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        if let Some(close) = self.methods().and_then(|methods| methods.xClose) {
            // SAFETY: it is open, and closed once.
            unsafe { close(self.file()) };
        }
    }
}

/// An open file.
pub(crate) struct State {
    pub(crate) disk: SimDisk,
    pub(crate) at: PathBuf,
    pub(crate) file: SimFile,
    pub(crate) carrier: Option<Carrier>,
    pub(crate) flushes_name: bool,
    pub(crate) is_removed_at_close: bool,
}

/// What SQLite holds: the methods, then ours.
#[repr(C)]
pub(crate) struct File {
    base: ffi::sqlite3_file,
    state: *mut State,
}

impl File {
    /// Fills the room SQLite gave.
    ///
    /// # Safety
    /// `file` has room for a [`File`], and what is in it is not open.
    pub(crate) unsafe fn put(file: *mut ffi::sqlite3_file, state: State) {
        let state = Box::into_raw(Box::new(state));
        // SAFETY: there is room, says the caller.
        unsafe {
            file.cast::<Self>()
                .write(Self { base: ffi::sqlite3_file { pMethods: &METHODS }, state })
        };
    }
}

/// The state of an open file.
///
/// # Safety
/// `file` was filled by [`File::put`] and not closed; SQLite lets one thread at a time use it.
unsafe fn state<'a>(file: *mut ffi::sqlite3_file) -> &'a mut State {
    // SAFETY: says the caller.
    unsafe { &mut *(*file.cast::<File>()).state }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: it is open, and SQLite does not use it again.
    let state = unsafe { Box::from_raw((*file.cast::<File>()).state) };
    if state.is_removed_at_close {
        let _gone_or_off = state.disk.remove(&state.at);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    out: *mut c_void,
    len: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite gives room for `len` bytes.
    let bytes = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), len as usize) };
    // SAFETY: it is open.
    match unsafe { state(file) }.file.read_at(bytes, at as u64) {
        Ok(read) if read == bytes.len() => ffi::SQLITE_OK,
        Ok(read) => {
            bytes.iter_mut().skip(read).for_each(|byte| *byte = 0);
            ffi::SQLITE_IOERR_SHORT_READ
        }
        Err(_) => ffi::SQLITE_IOERR_READ,
    }
}

fn code(done: io::Result<()>, otherwise: c_int) -> c_int {
    match done {
        Ok(()) => ffi::SQLITE_OK,
        Err(error) if error.kind() == io::ErrorKind::StorageFull => ffi::SQLITE_FULL,
        Err(_) => otherwise,
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    len: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite gives `len` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), len as usize) };
    // SAFETY: it is open.
    code(unsafe { state(file) }.file.write_at(bytes, at as u64), ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: ffi::sqlite3_int64) -> c_int {
    // SAFETY: it is open.
    code(unsafe { state(file) }.file.set_len(len as u64), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: it is open.
    let state = unsafe { state(file) };
    if state.file.sync().is_err() {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    if std::mem::take(&mut state.flushes_name) {
        // The system's VFS takes no notice either if this fails.
        let _flushed = state.disk.sync_dir(Path::new(""));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(
    file: *mut ffi::sqlite3_file,
    out: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: it is open.
    match unsafe { state(file) }.file.len() {
        Ok(len) => {
            // SAFETY: SQLite wants the answer there.
            unsafe { *out = len as ffi::sqlite3_int64 };
            ffi::SQLITE_OK
        }
        Err(_) => ffi::SQLITE_IOERR_FSTAT,
    }
}

unsafe extern "C" fn file_control(
    _file: *mut ffi::sqlite3_file,
    _what: c_int,
    _arg: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    4096
}

/// As the system's VFS on most machines: a write that is cut off harms nothing beside it.
unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: it is open.
    let Some(carrier) = &mut (unsafe { state(file) }).carrier else { return };
    if let Some(barrier) = carrier.methods().and_then(|methods| methods.xShmBarrier) {
        // SAFETY: the carrier is open.
        unsafe { barrier(carrier.file()) };
    }
}

macro_rules! carried {
    ($($name:ident => $method:ident($($arg:ident: $type:ty),*), $without:expr;)*) => {
        $(unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file, $($arg: $type),*) -> c_int {
            // SAFETY: it is open.
            let Some(carrier) = &mut (unsafe { state(file) }).carrier else { return $without };
            match carrier.methods().and_then(|methods| methods.$method) {
                // SAFETY: the carrier is open, and takes what SQLite gives to any file.
                Some(method) => unsafe { method(carrier.file(), $($arg),*) },
                None => $without,
            }
        })*
    };
}

carried! {
    lock => xLock(level: c_int), ffi::SQLITE_OK;
    unlock => xUnlock(level: c_int), ffi::SQLITE_OK;
    check_reserved_lock => xCheckReservedLock(out: *mut c_int), ffi::SQLITE_IOERR_CHECKRESERVEDLOCK;
    shm_map => xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void), ffi::SQLITE_IOERR_SHMMAP;
    shm_lock => xShmLock(offset: c_int, n: c_int, flags: c_int), ffi::SQLITE_IOERR_SHMLOCK;
    shm_unmap => xShmUnmap(delete: c_int), ffi::SQLITE_OK;
}
