//! What the driver's loop does with the engine thread's time, for INFO.
//!
//! Everything is counted a round at a time: the driver reads its clock once more at the end of each, and that is all it costs.

use crate::node::Node;
use crate::stats::{Mean, Rate};

/// Counters of the loop. CONFIG RESETSTAT sets them back.
#[derive(Default)]
pub(crate) struct LoopStats {
    pub rounds: u64,
    /// Microseconds in rounds, without the waiting between them.
    pub busy_us: u64,
    /// Of the longest round.
    pub longest_us: u64,
    /// Nanoseconds in commands.
    pub command_ns: u64,
    /// Microseconds in [`Node::tick`].
    pub tick_us: u64,
    /// Commands of the round that had most of them.
    pub most_commands: u64,
    /// Commands before this round.
    commands_before: u64,
    pub round_rate: Rate,
    pub round_mean: Mean,
}

impl LoopStats {
    /// Takes the totals at a moment, for the rates.
    pub fn sample(&mut self, mono_us: u64) {
        self.round_rate.sample(self.rounds, mono_us);
        self.round_mean.sample(self.busy_us, self.rounds);
    }

    fn round(&mut self, busy_us: u64, commands: u64) {
        self.rounds += 1;
        self.busy_us += busy_us;
        self.longest_us = self.longest_us.max(busy_us);
        self.most_commands = self.most_commands.max(commands.saturating_sub(self.commands_before));
        self.commands_before = commands;
    }
}

impl Node {
    /// A round of the driver's loop has ended: it was at work for so many microseconds since it had something to do.
    pub fn round_ended(&mut self, busy_us: u64) {
        let commands = self.stats.commands;
        self.stats.event_loop.round(busy_us, commands);
    }

    /// [`Node::tick`] has taken so many microseconds.
    pub fn tick_took(&mut self, us: u64) {
        self.stats.event_loop.tick_us += us;
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    fn field(reply: &str, name: &str) -> u64 {
        let prefix = format!("{name}:");
        let value = reply.split("\r\n").find_map(|line| line.strip_prefix(&prefix));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {reply}"))
    }

    #[test]
    fn rounds_are_counted_and_averaged() {
        let mut node = Fixture::new();
        node.advance_ms(100);
        for _ in 0..16 {
            for busy_us in [30, 10] {
                node.run(&["PING"]);
                node.run(&["PING"]);
                node.node.round_ended(busy_us);
            }
            node.node.tick_took(3);
            node.advance_ms(100);
        }
        let stats = node.run(&["INFO", "stats"]);
        assert_eq!(field(&stats, "eventloop_cycles"), 32);
        assert_eq!(field(&stats, "eventloop_duration_sum"), 640);
        assert_eq!(field(&stats, "instantaneous_eventloop_cycles_per_sec"), 20);
        assert_eq!(field(&stats, "instantaneous_eventloop_duration_usec"), 20);
        let cpu = node.run(&["INFO", "cpu"]);
        assert!(cpu.contains("\r\nused_active_time_main_thread:0.000640\r\n"), "{cpu}");
        let debug = node.run(&["INFO", "debug"]);
        assert_eq!(field(&debug, "eventloop_duration_cron_sum"), 48);
        assert_eq!(field(&debug, "eventloop_duration_max"), 30);
        assert_eq!(field(&debug, "eventloop_cmd_per_cycle_max"), 2);
        node.run(&["CONFIG", "RESETSTAT"]);
        node.node.round_ended(5);
        assert_eq!(field(&node.run(&["INFO", "stats"]), "eventloop_duration_sum"), 5);
    }

    #[test]
    fn the_time_of_commands_is_counted_once() {
        use std::cell::Cell;
        thread_local!(static CLOCK: Cell<u64> = const { Cell::new(0) });
        let clock_ns = || CLOCK.with(|clock| clock.replace(clock.get() + 1000));
        let boot = crate::node::Boot { clock_ns, ..crate::node::Boot::default() };
        let mut node = Fixture::boot(&[], boot);
        node.run(&["MULTI"]);
        node.run(&["PING"]);
        let before = node.node.stats.event_loop.command_ns;
        let started = CLOCK.with(Cell::get);
        node.run(&["EXEC"]);
        let passed = CLOCK.with(Cell::get) - started;
        let counted = node.node.stats.event_loop.command_ns - before;
        assert!(counted > 0 && counted < passed, "{counted} of {passed}: PING is a part of EXEC");
    }
}
