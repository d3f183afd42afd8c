//! LATENCY: what took long.

use std::fmt::Write;

use resp::Args;

use crate::latency::Spike;
use crate::node::Node;
use crate::session::Session;

/// LATENCY HISTORY event: its spikes, oldest first.
pub(crate) fn history(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let Some(series) = node.spikes.get(args.at(2)) else { return session.reply.array(0) };
    session.reply.array(series.samples.len());
    for spike in &series.samples {
        session.reply.array(2);
        session.reply.int(spike.unix_s as i64);
        session.reply.int(spike.millis as i64);
    }
}

/// LATENCY LATEST: of every event the last spike, the longest, the sum and the number of all.
pub(crate) fn latest(node: &mut Node, session: &mut Session, _: Args<'_>) {
    let all = node.spikes.iter();
    session.reply.array(all.len());
    for (kind, series) in all {
        let last = series.samples.back().copied().unwrap_or(Spike { unix_s: 0, millis: 0 });
        session.reply.array(6);
        session.reply.bulk(kind.as_bytes());
        session.reply.int(last.unix_s as i64);
        session.reply.int(last.millis as i64);
        session.reply.int(series.max_millis as i64);
        session.reply.int(series.sum_millis as i64);
        session.reply.int(series.count as i64);
    }
}

/// LATENCY RESET [event …]
pub(crate) fn reset(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let forgotten = if args.len() == 2 {
        node.spikes.reset(None)
    } else {
        args.from(2).iter().map(|kind| node.spikes.reset(Some(kind))).sum()
    };
    session.reply.int(forgotten as i64);
}

/// Lines of a graph.
const GRAPH_ROWS: u64 = 4;

/// LATENCY GRAPH event: its spikes as bars, newest on the right.
pub(crate) fn graph(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let kind = String::from_utf8_lossy(args.at(2)).into_owned();
    let Some(series) = node.spikes.get(args.at(2)) else {
        return session.reply.error(&format!("ERR No samples available for event '{kind}'"));
    };
    let millis = || series.samples.iter().map(|spike| spike.millis);
    let (high, low) = (millis().max().unwrap_or(0), millis().min().unwrap_or(0));
    let mut text =
        format!("{kind} - high {high} ms, low {low} ms (all time high {} ms)\n", series.max_millis);
    text.push_str(&"-".repeat(80));
    text.push('\n');
    for row in (0..GRAPH_ROWS).rev() {
        for millis in millis() {
            // Bars reach from the lowest value up; the highest fills all rows.
            let height = (millis - low) * (GRAPH_ROWS * 2 - 1) / (high - low).max(1) + 1;
            text.push(match height.saturating_sub(row * 2) {
                0 => ' ',
                1 => '_',
                _ if row + 1 == height.div_ceil(2) => '#',
                _ => '|',
            });
        }
        text.push('\n');
    }
    text.push('\n');
    let now_s = node.now.unix_s();
    let ages: Vec<String> =
        series.samples.iter().map(|spike| age(now_s.saturating_sub(spike.unix_s))).collect();
    for line in 0..ages.iter().map(String::len).max().unwrap_or(0) {
        for age in &ages {
            text.push(age.as_bytes().get(line).map_or(' ', |&byte| char::from(byte)));
        }
        text.push('\n');
    }
    session.reply.verbatim("txt", text.as_bytes());
}

/// A time as short as it can be said.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// LATENCY DOCTOR: what the spikes say, in words.
pub(crate) fn doctor(node: &mut Node, session: &mut Session, _: Args<'_>) {
    let mut text = String::new();
    if node.config.settings().latency_monitor_threshold == 0 {
        text.push_str(
            "Latency monitoring is disabled in this instance. CONFIG SET latency-monitor-threshold <milliseconds> turns it on.\n",
        );
    } else if node.spikes.iter().len() == 0 {
        text.push_str("No latency spike was observed.\n");
    }
    for (kind, series) in node.spikes.iter() {
        let average = series.sum_millis / series.count.max(1);
        let _ = writeln!(
            text,
            "{kind}: {} latency spikes (average {average} ms, worst {} ms). {}",
            series.count,
            series.max_millis,
            advice(kind)
        );
    }
    session.reply.verbatim("txt", text.as_bytes());
}

fn advice(kind: &str) -> &'static str {
    match kind {
        "command" => {
            "SLOWLOG GET names the commands; those that go over whole collections or databases have cheaper relatives (SCAN …)."
        }
        "fast-command" => {
            "Commands that should take no time took some: look at the load of the machine, and whether it swaps."
        }
        "expire-cycle" => "Many keys expire in the same moment: spread their times.",
        _ => "",
    }
}

/// LATENCY HISTOGRAM [command …]: how often each command took how long.
pub(crate) fn histogram(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let mut found: Vec<&'static commands::CommandSpec> = Vec::new();
    if args.len() == 2 {
        for spec in node.registry.iter() {
            found.push(spec);
            found.extend(spec.subcommands);
        }
    }
    for name in args.from(2).iter() {
        if let Some(spec) = node.registry.lookup_full(name) {
            found.push(spec);
            found.extend(spec.subcommands);
        }
    }
    let out = &mut session.reply;
    let mark = out.deferred_len();
    let mut count = 0;
    for spec in found {
        let Some(times) = node.stats.times_of(node.registry.index(spec)) else { continue };
        count += 1;
        out.bulk(spec.full_name.as_bytes());
        out.map(2);
        out.bulk(b"calls");
        out.int(times.total() as i64);
        out.bulk(b"histogram_usec");
        let steps = times.cumulative();
        out.map(steps.len());
        for (micros, within) in steps {
            out.int(micros as i64);
            out.int(within as i64);
        }
    }
    out.set_map_len(mark, count);
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn spikes_are_told_in_every_form() {
        let mut node = Fixture::with(&["--latency-monitor-threshold", "10"]);
        assert_eq!(node.run(&["LATENCY", "LATEST"]), "*0\r\n");
        node.run(&["DEBUG", "SLEEP", "0.02"]);
        node.advance_ms(2000);
        node.run(&["DEBUG", "SLEEP", "0.05"]);
        node.run(&["DEBUG", "SLEEP", "0.005"]);
        let at = node.now.unix_us / 1_000_000;
        assert_eq!(
            node.run(&["LATENCY", "HISTORY", "command"]),
            format!("*2\r\n*2\r\n:{}\r\n:20\r\n*2\r\n:{at}\r\n:50\r\n", at - 2)
        );
        assert_eq!(
            node.run(&["LATENCY", "LATEST"]),
            format!("*1\r\n*6\r\n$7\r\ncommand\r\n:{at}\r\n:50\r\n:50\r\n:70\r\n:2\r\n")
        );
        let graph = node.run(&["LATENCY", "GRAPH", "command"]);
        assert!(graph.contains("command - high 50 ms, low 20 ms (all time high 50 ms)"), "{graph}");
        assert!(node.run(&["LATENCY", "GRAPH", "x"]).starts_with("-ERR No samples available for event 'x'"));
        assert!(node.run(&["LATENCY", "DOCTOR"]).contains("worst 50 ms"));
        assert_eq!(node.run(&["LATENCY", "RESET", "x", "command"]), ":1\r\n");
        assert_eq!(node.run(&["LATENCY", "HISTORY", "command"]), "*0\r\n");
    }

    #[test]
    fn every_commands_time_is_counted_unless_switched_off() {
        let mut node = Fixture::new();
        for _ in 0..3 {
            node.run(&["SET", "k", "v"]);
        }
        node.run(&["CLIENT", "ID"]);
        assert_eq!(
            node.run(&["LATENCY", "HISTOGRAM", "set", "client", "nosuch"]).replace("\r\n", " "),
            "*4 $3 set *4 $5 calls :3 $14 histogram_usec *2 :1 :3 $9 client|id *4 $5 calls :1 $14 histogram_usec *2 :1 :1 "
        );
        assert!(
            node.run(&["INFO", "latencystats"])
                .contains("\r\nlatency_percentiles_usec_set:p50=0.000,p99=0.000,p99.9=0.000\r\n")
        );
        node.run(&["CONFIG", "RESETSTAT"]);
        node.run(&["CONFIG", "SET", "latency-tracking", "no"]);
        node.run(&["SET", "k", "v"]);
        assert_eq!(node.run(&["LATENCY", "HISTOGRAM", "set"]), "*0\r\n");
        assert!(!node.run(&["INFO", "latencystats"]).contains("_set"));
    }
}
