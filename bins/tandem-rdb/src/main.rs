//! The program: it reads the command line, and each command is a module.
//!
//! Everything that is read goes through [`source::Source`], which opens the file, shows progress, and says of an error where in the
//! file it is and which key it is in. What is printed is data; what went wrong goes to the standard error.

mod aof;
mod check;
mod cli;
mod convert;
mod diff;
mod fingerprint;
mod json;
mod source;
mod stats;
mod text;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};

/// What a command found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// All is well.
    Good,
    /// A damaged file, or files that differ: what the command is there to find out, and no failure of its own.
    Bad,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let outcome = match cli.command {
        Command::Check(args) if aof::is_one(&args.file) => aof::check(&args, &mut out),
        Command::Check(args) => check::run(&args, &mut out),
        Command::Recover(args) => aof::recover(&args, &mut out),
        Command::Stats(args) if aof::is_one(&args.file) => aof::stats::run(&args, &mut out),
        Command::Stats(args) => stats::run(&args, &mut out),
        Command::Json(args) => json::run(&args, &mut out),
        Command::Diff(args) => diff::run(&args, &mut out),
        Command::Convert(args) => convert::run(&args, &mut out),
    };
    let outcome = outcome.and_then(|outcome| {
        out.flush()?;
        Ok(outcome)
    });
    match outcome {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Bad) => ExitCode::from(1),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tandem-rdb: {error:#}");
            ExitCode::from(if error.is::<source::Damage>() { 1 } else { 2 })
        }
    }
}

/// Whoever reads our output has seen enough of it: `tandem-rdb json dump.rdb | head`.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(std::io::ErrorKind::BrokenPipe)
    })
}
