//! The same settings as a TOML file.
//!
//! A key is a directive, with `-` or `_`. A directive that may be repeated takes an array with one element an
//! occurrence, or a table from its first word to the rest:
//!
//! ```toml
//! port = 6380
//! repl_timeout = "2m"
//! bind = ["127.0.0.1", "::1"]
//! save = [[3600, 1], [300, 100]]          # or "3600 1 300 100", or "" for none
//! client-output-buffer-limit = { replica = ["256mb", "64mb", 60] }
//! rename-command = { CONFIG = "" }
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use toml_edit::{Array, DocumentMut, Item};

use crate::config::Config;
use crate::directive::Kind;
use crate::directives::{directives, find_folded};
use crate::error::RewriteError;
use crate::grammar;
use crate::rewrite::{Extent, GENERATED, Plan, amount, plan};
use crate::types::OUTPUT_CLASSES;
use crate::value::Value;

/// A whole file: keys and values with where they stand.
#[derive(Deserialize)]
#[serde(transparent)]
struct File(BTreeMap<Spanned<String>, toml::Value>);

/// One key.
pub(crate) struct Entry {
    pub(crate) key: String,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) value: toml::Value,
}

/// The keys of a file in their order, or the line and what is wrong with it.
pub(crate) fn entries(text: &str) -> Result<Vec<Entry>, (usize, String)> {
    let line_of = |at: usize| 1 + text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count();
    let file: File = toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(0, |span| line_of(span.start));
        (line, e.message().to_string())
    })?;
    let mut entries: Vec<_> = file.0.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    Ok(entries
        .into_iter()
        .map(|(key, value)| Entry { line: line_of(key.span().start), key: key.into_inner(), value })
        .collect())
}

/// The occurrences of a directive that a value stands for, each as the words that would follow the name in a
/// redis.conf.
pub(crate) fn occurrences(kind: Kind, value: &toml::Value) -> Result<Vec<Vec<String>>, String> {
    if !kind.repeats() {
        return match value {
            toml::Value::Array(items) => Ok(vec![items.iter().map(scalar).collect::<Result<_, _>>()?]),
            other => Ok(vec![vec![scalar(other)?]]),
        };
    }
    match value {
        // [3600, 1] is one occurrence, [[3600, 1], [300, 100]] two, ["3600 1", "300 100"] two as well.
        toml::Value::Array(items) if items.iter().any(|item| item.is_str() || item.is_array()) => {
            items.iter().map(|item| occurrence(kind, item)).collect()
        }
        toml::Value::Array(items) if items.is_empty() && !matches!(kind, Kind::Save) => Ok(Vec::new()),
        toml::Value::Table(table) if matches!(kind, Kind::Rename | Kind::OutputLimits) => table
            .iter()
            .map(|(first, rest)| {
                let mut words = vec![first.clone()];
                match rest {
                    // An empty new name is a word like any other.
                    toml::Value::String(text) if matches!(kind, Kind::Rename) => words.push(text.clone()),
                    other => words.extend(occurrence(kind, other)?),
                }
                Ok(words)
            })
            .collect(),
        other => Ok(vec![occurrence(kind, other)?]),
    }
}

fn occurrence(kind: Kind, value: &toml::Value) -> Result<Vec<String>, String> {
    match value {
        toml::Value::Array(items) => items.iter().map(scalar).collect(),
        toml::Value::String(path) if matches!(kind, Kind::Include) => Ok(vec![path.clone()]),
        toml::Value::String(line) => {
            let words =
                grammar::words(line.as_bytes()).map_err(|_| "Unbalanced quotes in configuration line")?;
            Ok(words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
        }
        other => Ok(vec![scalar(other)?]),
    }
}

fn scalar(value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Boolean(yes) => Ok(if *yes { "yes" } else { "no" }.into()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Datetime(time) => Ok(time.to_string()),
        toml::Value::Array(_) => Err("an array cannot stand here".into()),
        toml::Value::Table(_) => Err("a table cannot stand here; directives are not grouped".into()),
    }
}

/// The value as it is written to a file.
fn item(value: &Value) -> toml_edit::Value {
    let array = |items: Vec<toml_edit::Value>| toml_edit::Value::Array(items.into_iter().collect::<Array>());
    let number = |n: u64| i64::try_from(n).map_or_else(|_| n.to_string().into(), toml_edit::Value::from);
    match value {
        Value::Bool(yes) => (*yes).into(),
        Value::Int(n) => (*n).into(),
        Value::Size(bytes) => number(*bytes),
        Value::Words(words) => array(words.iter().map(Into::into).collect()),
        Value::Save(points) => {
            let pair = |(seconds, changes): &(u64, u64)| array(vec![number(*seconds), number(*changes)]);
            array(points.iter().map(pair).collect())
        }
        Value::OutputLimits(limits) => {
            let line = |(class, limit): (&&str, &crate::types::OutputBufferLimit)| {
                format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds).into()
            };
            array(OUTPUT_CLASSES.iter().zip(limits).map(line).collect())
        }
        Value::Rename(pairs) => {
            array(pairs.iter().map(|(from, to)| array(vec![from.into(), to.into()])).collect())
        }
        Value::Lines(lines) => array(lines.iter().map(Into::into).collect()),
        other => other.print().into(),
    }
}

/// The file's text with the values of now.
pub(crate) fn rewrite(config: &Config, original: &str, extent: Extent) -> Result<String, RewriteError> {
    let broken = |reason: String| RewriteError::Toml { reason };
    let entries = entries(original).map_err(|(line, reason)| broken(format!("line {line}: {reason}")))?;
    let mut document: DocumentMut =
        original.parse().map_err(|e: toml_edit::TomlError| broken(e.message().into()))?;
    let mut commented = original.lines().any(|line| line.trim() == GENERATED);
    for (at, directive) in directives().iter().enumerate() {
        let mine: Vec<_> = entries.iter().filter(|entry| find_folded(&entry.key) == Some(at)).collect();
        let said = mine.first().map(|_| {
            let words: Option<Vec<_>> =
                mine.iter().map(|e| occurrences(directive.kind, &e.value).ok()).collect();
            amount(directive, words?.concat().iter().map(Vec::as_slice))
        });
        let plan = plan(config, at, said, extent);
        let keep = match plan {
            Plan::Keep => continue,
            Plan::KeepLast => mine.last(),
            Plan::Replace => mine.first(),
            Plan::Append | Plan::Move => None,
        };
        for entry in mine.iter().filter(|entry| keep.is_none_or(|keep| keep.key != entry.key)) {
            document.remove(&entry.key);
        }
        // No master is no key, unless an included file names one.
        let silent = matches!(config.values[at], Value::Master(None)) && plan != Plan::Move;
        match (plan, keep) {
            (Plan::KeepLast, _) => {}
            (_, Some(entry)) if silent => {
                document.remove(&entry.key);
            }
            (_, None) if silent => {}
            (_, Some(entry)) => {
                let mut new = item(&config.values[at]);
                if let Some(old) = document.get(&entry.key).and_then(Item::as_value) {
                    *new.decor_mut() = old.decor().clone();
                }
                document[&entry.key] = Item::Value(new);
            }
            (_, None) => {
                document.insert(directive.name, Item::Value(item(&config.values[at])));
                if let Some(mut key) = document.key_mut(directive.name).filter(|_| !commented) {
                    key.leaf_decor_mut().set_prefix(format!("{GENERATED}\n"));
                    commented = true;
                }
            }
        }
    }
    Ok(document.to_string())
}
