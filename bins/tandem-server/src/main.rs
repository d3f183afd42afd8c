//! The server's program: it reads the command line and hands over to the library.

mod allocator;

use std::process::ExitCode;

use config::Print;
use server::{Allocator, DiskFiles, Options};

const USAGE: &str = "\
Usage: tandem-server [/path/to/redis.conf] [options] [-]
       tandem-server - (read the configuration from the standard input)
       tandem-server -v or --version
       tandem-server -h or --help

The configuration file is a redis.conf, or a TOML file if its name ends in .toml. Every directive
can also be given as an option, which is stronger than the file:

       tandem-server (run with the defaults: port 6379, the working directory)
       tandem-server --port 7777
       tandem-server --port 7777 --replicaof 127.0.0.1 8888
       tandem-server /etc/redis/6379.conf --loglevel verbose
       echo 'maxmemory 128mb' | tandem-server -";

fn main() -> ExitCode {
    let mut args = Vec::new();
    for arg in std::env::args_os().skip(1) {
        match arg.into_string() {
            Ok(arg) => args.push(arg),
            Err(arg) => {
                eprintln!("The argument {} is not valid UTF-8", arg.display());
                return ExitCode::FAILURE;
            }
        }
    }
    let loaded = match config::load(&args, &DiskFiles) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("\n{error}");
            return ExitCode::FAILURE;
        }
    };
    match loaded.print {
        Some(Print::Help) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some(Print::Version) => {
            let (version, redis) = (node::TANDEM_VERSION, node::REDIS_VERSION);
            println!("Tandem server v={version} redis={redis} malloc=jemalloc bits={}", usize::BITS);
            return ExitCode::SUCCESS;
        }
        None => {}
    }
    let options = Options { allocator: Allocator::Jemalloc, ..Options::default() };
    match server::run(loaded, options) {
        // The process ends here, whatever a thread of its may still be doing: the dataset need not be freed.
        Ok(code) => std::process::exit(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
