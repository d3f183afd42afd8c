//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Looks into RDB files, the dumps of Redis and Valkey.
///
/// The exit status is 0 when all is well, 1 when a file is damaged or files differ, 2 when the command could not do its work.
#[derive(Parser, Debug)]
#[command(version, about, long_about)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Reads a file to its end, and says where and in which key it is broken; of an append only file every part
    Check(CheckArgs),
    /// Counts keys and bytes: by type, by prefix, the largest, and when keys expire; of an append only file commands and spans
    Stats(StatsArgs),
    /// Prints every key with its value as a line of JSON
    Json(JsonArgs),
    /// Compares the content of two files, however it is encoded
    Diff(DiffArgs),
    /// Writes a file's content in another version of the format
    Convert(ConvertArgs),
    /// Copies an append only file up to a moment: what came later is left out
    Recover(RecoverArgs),
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The file; - is the standard input. Of an append only file: its folder, its manifest, or one of its parts
    pub file: PathBuf,
    /// Cut an append only file back to where it is whole, if nothing but its end is missing
    #[arg(long)]
    pub fix: bool,
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("until").required(true))]
pub struct RecoverArgs {
    /// The folder of the append only file, or its manifest
    pub from: PathBuf,
    /// The folder to make; it must not be there yet
    pub to: PathBuf,
    /// Leave out what was written after this time, in milliseconds since the Unix epoch
    #[arg(long, value_name = "MS", group = "until")]
    pub until_ms: Option<u64>,
    /// Leave out what the replication history has behind this offset
    #[arg(long, value_name = "N", group = "until")]
    pub until_offset: Option<u64>,
}

#[derive(Args, Debug)]
pub struct StatsArgs {
    /// The file; - is the standard input. Of an append only file: its folder, its manifest, or one of its parts
    pub file: PathBuf,
    /// One JSON object instead of tables
    #[arg(long)]
    pub json: bool,
    /// How many of the largest keys and prefixes to list
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub top: usize,
    /// What ends a prefix
    #[arg(long, default_value = ":", value_name = "TEXT")]
    pub delimiter: String,
    /// How many delimiters a prefix reaches over
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub depth: usize,
}

#[derive(Args, Debug)]
pub struct JsonArgs {
    /// The file; - is the standard input
    pub file: PathBuf,
    /// Only this database
    #[arg(long)]
    pub db: Option<u64>,
    /// Only keys that begin with this
    #[arg(long, value_name = "TEXT")]
    pub prefix: Option<String>,
}

#[derive(Args, Debug)]
pub struct DiffArgs {
    /// One file
    pub a: PathBuf,
    /// The other
    pub b: PathBuf,
    /// Keys with the same value are equal whenever they expire
    #[arg(long)]
    pub ignore_expiry: bool,
    /// Only count
    #[arg(long)]
    pub count: bool,
}

#[derive(Args, Debug)]
pub struct ConvertArgs {
    /// The file to read; - is the standard input
    pub from: PathBuf,
    /// The file to write; one that is there is replaced when everything has been written
    pub to: PathBuf,
    /// 10 (Redis 7.0 and later, every Valkey), 11 (Redis 7.2), 12 (Redis 7.4 to 8.0), 80 (Valkey 9)
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = version)]
    pub to_version: u32,
    /// Leave out when a hash's fields expire where the version cannot say it; without this, such a field is an error
    #[arg(long)]
    pub drop_field_expiry: bool,
    /// Do not compress strings
    #[arg(long)]
    pub no_compression: bool,
    /// Leave the checksum at the end out
    #[arg(long)]
    pub no_checksum: bool,
}

fn version(text: &str) -> Result<u32, String> {
    match text {
        "10" => Ok(10),
        "11" => Ok(11),
        "12" => Ok(12),
        "80" => Ok(80),
        _ => Err("10, 11, 12 and 80 can be written".to_owned()),
    }
}
