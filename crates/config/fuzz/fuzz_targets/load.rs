//! Any bytes as a redis.conf, as TOML, as options: a configuration or an error, never a panic. What loads means the
//! same after a rewrite.
#![no_main]

use std::io;
use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;

/// Every file has the same contents, so that includes run into their limits.
struct Same<'a>(&'a [u8]);

impl config::Files for Same<'_> {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Ok(self.0.to_vec())
    }

    fn glob(&self, pattern: &str) -> io::Result<Vec<PathBuf>> {
        Ok(vec![pattern.into()])
    }

    fn stdin(&self) -> io::Result<Vec<u8>> {
        Ok(self.0.to_vec())
    }
}

fuzz_target!(|bytes: &[u8]| {
    for name in ["a.conf", "a.toml", "-"] {
        let Ok(loaded) = config::load(&[name.into()], &Same(bytes)) else { continue };
        let after = loaded.config.rewrite(bytes).expect("because the same bytes have just been read");
        // A file that includes itself changes what it includes.
        if !String::from_utf8_lossy(bytes).to_lowercase().contains("include") {
            let again = config::load(&[name.into()], &Same(&after)).expect("because a rewrite writes what can be read");
            assert_eq!(again.config.get(&[b"*"]), loaded.config.get(&[b"*"]));
        }
    }
    let text = String::from_utf8_lossy(bytes);
    let args: Vec<_> = text.split('\n').map(str::to_string).collect();
    let _ = config::load(&args, &Same(b""));
});
