//! The few calls to the C library that no safe crate offers, and the place of the process's title. This is the only module of the crate
//! with `unsafe` in it.
#![allow(unsafe_code)]

mod title;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

pub(crate) use title::TitleArea;

/// Which side of a fork this is.
pub(crate) enum Fork {
    Parent,
    Child,
}

/// Splits the process in two.
///
/// The caller must not have started a thread yet: only the calling thread lives on in the child, and a lock that another
/// one held would stay locked. The check below refuses rather than trusting that.
pub(crate) fn fork() -> io::Result<Fork> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::other(format!("cannot go to the background with {threads} threads running")));
    }
    // SAFETY: the process has this one thread only, as just counted, so the child finds every lock of the allocator and
    // of the standard library free, and may run any code.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        _ => Ok(Fork::Parent),
    }
}

/// A moment on the calendar of the local time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalTime {
    pub year: i32,
    /// From 0.
    pub month: usize,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
}

/// The local time of a moment given in seconds since the Unix epoch.
pub(crate) fn local_time(unix_s: i64) -> LocalTime {
    let time = unix_s as libc::time_t;
    let mut parts = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call; `localtime_r` writes to the given buffer alone. It reads the
    // environment, which nothing in this program changes. All-zero bytes are a valid `tm`, should it fail.
    let parts = unsafe {
        libc::localtime_r(&time, parts.as_mut_ptr());
        parts.assume_init()
    };
    LocalTime {
        year: parts.tm_year + 1900,
        month: (parts.tm_mon as usize) % 12,
        day: parts.tm_mday as u32,
        hour: parts.tm_hour as u32,
        minute: parts.tm_min as u32,
        second: parts.tm_sec as u32,
    }
}

/// Processor time, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuTime {
    pub user_us: u64,
    pub system_us: u64,
}

/// Processor time of the whole process.
pub(crate) fn process_cpu() -> CpuTime {
    usage(libc::RUSAGE_SELF)
}

/// Processor time of the calling thread.
pub(crate) fn thread_cpu() -> CpuTime {
    usage(libc::RUSAGE_THREAD)
}

fn usage(who: libc::c_int) -> CpuTime {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is valid for the call, which writes one `rusage`; all-zero bytes are a valid one, should it fail.
    let usage = unsafe {
        libc::getrusage(who, usage.as_mut_ptr());
        usage.assume_init()
    };
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    CpuTime { user_us: micros(usage.ru_utime), system_us: micros(usage.ru_stime) }
}

/// Asks for the calling thread, and those that it starts from here on, to run in slices of this length: the shorter, the sooner it gets
/// its turn when it wakes up while others run; `None` for the system's own length. The thread's share of the processors stays what it
/// is. Needs Linux 6.12; before that nothing changes. Niceness, from -20 to 19, is set as well, for that is how the call works. A thread
/// that an operator has given another policy keeps it.
pub(crate) fn set_time_slice(slice: Option<Duration>, nice: i32) -> io::Result<()> {
    // SAFETY: the call takes no pointers; 0 is the calling thread.
    if unsafe { libc::sched_getscheduler(0) } != libc::SCHED_OTHER {
        return Ok(());
    }
    let attr = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: nice,
        sched_priority: 0,
        sched_runtime: slice.map_or(0, |slice| slice.as_nanos() as u64),
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the first argument names the calling thread; the second points to a structure that outlives the call and says how long it
    // is; the third has no flags. The kernel only reads it.
    match unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Asks the kernel to begin writing a file's dirty pages in this range to the disk, without waiting for it. A hint: whether
/// it worked shows in the `fsync` that follows.
pub(crate) fn start_writeback(file: BorrowedFd<'_>, offset: u64, len: u64) {
    // SAFETY: the descriptor is open for as long as the borrow; the call takes no pointers.
    unsafe {
        libc::sync_file_range(file.as_raw_fd(), offset as i64, len as i64, libc::SYNC_FILE_RANGE_WRITE);
    }
}

/// Maps a file to be read.
pub(crate) fn map(file: &std::fs::File) -> io::Result<memmap2::Mmap> {
    // SAFETY: what is asked of us is that nobody changes the file while it is mapped, which no process can promise of another. A snapshot
    // is put in its place whole and never written to again, by this server and by others. Should somebody write to it all the same, its
    // bytes change between two looks at them. They are only looked at by decoders without `unsafe` code, which check every access, so
    // the snapshot is refused or a job panics. Should somebody shorten it, see `mapped`.
    unsafe { memmap2::Mmap::map(file) }
}

/// Maps the first bytes of an increment of the append only file to be read, as many as are known to be written; it must not be empty.
///
/// Of those bytes, and of the pages that hold them, is true what makes the map sound as far as it is up to this process: an increment grows at
/// its end alone; what the engine has been told is written is never written to again, and never cut off (a write that failed is taken
/// back to exactly that length, by the only thread that writes); and a file that is not wanted any more is unlinked, which leaves
/// its pages to those who have them mapped. Bytes behind `len` may come, go and change on the last page of the map: they are not part of the slice.
pub(crate) fn map_beginning(file: &std::fs::File, len: usize) -> io::Result<memmap2::Mmap> {
    // SAFETY: nothing in this process changes the bytes, see above. Another process that does so, or shortens the file, does what `map`
    // says: the bytes are looked at by code without `unsafe` that checks them against a checksum, and copied; pages are asked for before
    // they are looked at (see `jobs::read_aof`).
    unsafe { memmap2::MmapOptions::new().len(len).map(file) }
}

/// jemalloc's name for all arenas together, in place of a number.
const ALL_ARENAS: usize = 4096;

/// Bytes in the caches that jemalloc keeps for each thread: its sum of what is allocated has them. As of its last epoch.
pub(crate) fn allocator_cached() -> Option<u64> {
    use tikv_jemalloc_ctl::raw;
    let mut mib = [0; 4];
    raw::name_to_mib(b"stats.arenas.0.tcache_bytes\0", &mut mib).ok()?;
    mib[2] = ALL_ARENAS;
    // SAFETY: the value behind this name is a `size_t`.
    unsafe { raw::read_mib::<usize>(&mib) }.ok().map(|bytes| bytes as u64)
}

/// Has jemalloc give the pages that it does not use back to the system.
pub(crate) fn purge_allocator() {
    use tikv_jemalloc_ctl::raw;
    let mut mib = [0; 3];
    if raw::name_to_mib(b"arena.0.purge\0", &mut mib).is_ok() {
        mib[1] = ALL_ARENAS;
        // SAFETY: this name takes no value and gives none; null pointers say so.
        unsafe {
            tikv_jemalloc_sys::mallctlbymib(
                mib.as_ptr(),
                mib.len(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                0,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar() {
        // Whatever the zone of the machine is, it is less than a day away from UTC.
        let time = local_time(1_795_413_732);
        assert_eq!((time.year, time.month), (2026, 10));
        assert!((22..=24).contains(&time.day), "{time:?}");
        assert_eq!(time.second, 12, "zones differ by whole minutes");
    }

    #[test]
    fn forking_with_threads_is_refused() {
        // The test harness itself runs this on a second thread.
        assert!(fork().is_err_and(|error| error.to_string().contains("threads")));
    }

    #[test]
    fn processor_time_advances() {
        let before = thread_cpu();
        let mut sum = 0u64;
        while thread_cpu().user_us + thread_cpu().system_us <= before.user_us + before.system_us {
            sum = std::hint::black_box(sum + 1);
        }
        let process = process_cpu();
        assert!(process.user_us + process.system_us > 0);
    }
}
