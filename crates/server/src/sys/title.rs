//! The memory that the system shows as the command line of the process.
//!
//! The kernel keeps no copy of it: `ps` is shown the arguments where they lay when the program began, with the environment behind
//! them. Whoever wants a title of their own writes it there, and it may reach into the environment's place once that has moved.

use std::ffi::{CStr, c_char};
use std::ptr::NonNull;

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// The place for a title.
#[derive(Debug)]
pub(crate) struct TitleArea {
    start: NonNull<u8>,
    len: usize,
}

impl TitleArea {
    /// Takes the place over: the environment's texts move elsewhere, and the arguments are not to be read from now on
    /// ([`std::env::args_os`] would find the title). Nothing if the process has other threads already, which might be reading either,
    /// or if the system does not tell where the place is.
    pub fn claim() -> Option<TitleArea> {
        if std::fs::read_dir("/proc/self/task").ok()?.count() != 1 {
            return None;
        }
        let stat = std::fs::read("/proc/self/stat").ok()?;
        let (start, end) = range(&stat)?;
        // SAFETY: this is the only thread, as just counted, so nobody else reads or changes the environment. `environ` is null or an
        // array of pointers that ends with a null; each is one to a text that ends with a zero byte. The copies live for ever.
        unsafe {
            let mut entry = environ;
            while !entry.is_null() && !(*entry).is_null() {
                let text = *entry;
                if (start..end).contains(&(text as usize)) {
                    *entry = CStr::from_ptr(text).to_owned().into_raw();
                }
                entry = entry.add(1);
            }
        }
        Some(TitleArea { start: NonNull::new(start as *mut u8)?, len: end - start })
    }

    /// Shows this title, or as much of it as there is room for.
    pub fn show(&mut self, title: &[u8]) {
        let len = title.len().min(self.len - 1);
        // SAFETY: the area is memory of this process that the kernel mapped and wrote the arguments and the environment to, from
        // `start` on, `len` bytes, and it is never unmapped. Since `claim` nobody but this struct uses it: the environment has moved,
        // and the arguments are not read any more. A zero byte stays behind the title, for the C library's own name of the program.
        unsafe {
            self.start.as_ptr().write_bytes(0, self.len);
            self.start.as_ptr().copy_from_nonoverlapping(title.as_ptr(), len);
        }
    }
}

/// From the beginning of the arguments to the end of the environment, according to `/proc/self/stat`; only if the one follows the
/// other.
fn range(stat: &[u8]) -> Option<(usize, usize)> {
    // The second field is the program's name, in which anything may stand but a closing parenthesis behind it.
    let behind_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let fields = std::str::from_utf8(&stat[behind_name..]).ok()?;
    // Counted from 1, the third field comes first here.
    let mut fields = fields.split_ascii_whitespace().skip(48 - 3).map(str::parse::<usize>);
    let mut next = || fields.next()?.ok();
    let (arg_start, arg_end, env_start, env_end) = (next()?, next()?, next()?, next()?);
    let end = if arg_end == env_start { env_end } else { arg_end };
    (0 < arg_start && arg_start + 1 < arg_end && arg_end <= end).then_some((arg_start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_read_from_the_status() {
        let stat = |fields: &str| format!("1 (a) b) S {}{fields} 0\n", "7 ".repeat(44));
        assert_eq!(range(stat("100 120 120 200").as_bytes()), Some((100, 200)));
        assert_eq!(range(stat("100 120 130 200").as_bytes()), Some((100, 120)), "something lies between");
        assert_eq!(range(stat("0 0 0 0").as_bytes()), None, "the system does not tell");
        assert_eq!(range(b"1 (a) S 1 2"), None);
        assert_eq!(range(b""), None);
    }

    #[test]
    fn with_threads_it_is_left_alone() {
        // The test harness itself runs this on a second thread.
        assert!(TitleArea::claim().is_none());
    }

    #[test]
    fn what_is_shown_stays_within_the_place() {
        let mut memory = [b'x'; 16];
        let start = NonNull::new(memory.as_mut_ptr()).unwrap();
        let mut area = TitleArea { start, len: 8 };
        area.show(b"a title that is long");
        area.show(b"short");
        assert_eq!(&memory, b"short\0\0\0xxxxxxxx");
        area.show(b"a title that is long");
        assert_eq!(&memory, b"a title\0xxxxxxxx");
    }
}
