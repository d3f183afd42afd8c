//! What the server prints when it starts.

use std::io::IsTerminal;

use config::Settings;

/// Whether the banner is printed: where it is asked for, and where somebody is looking.
pub(crate) fn is_wanted(settings: &Settings) -> bool {
    settings.always_show_logo || (settings.logfile.is_empty() && std::io::stdout().is_terminal())
}

/// Two riders, one machine. Tools look for ` PID: ` in it.
pub(crate) fn text(settings: &Settings, pid: u32) -> String {
    let mode = if settings.replicaof.is_some() { "replica" } else { "master" };
    format!(
        r"
      __o     __o
    _ \<,_  _ \<,_       Tandem {version}, {bits} bit
 __(_)/ (_)/ (_)/_(_)    Role at start: {mode}
                         Port: {port}
                         PID: {pid}

",
        version = node::TANDEM_VERSION,
        bits = usize::BITS,
        port = settings.port,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_what_tools_look_for() {
        let settings = config::Config::default().settings().clone();
        let text = text(&settings, 4711);
        assert!(text.contains(" PID: 4711\n"), "{text}");
        assert!(text.contains(" Port: 6379\n"), "{text}");
    }
}
