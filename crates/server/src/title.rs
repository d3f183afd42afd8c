//! What `ps` shows of the process: `proc-title-template`, filled in.

use std::path::{Path, PathBuf};

use config::Settings;

use crate::sys::TitleArea;

/// The title of the process.
#[derive(Debug)]
pub(crate) struct Title {
    area: TitleArea,
    /// How the program was called.
    program: String,
    config_file: Option<PathBuf>,
}

impl Title {
    /// Takes the title over, if the settings want that and the system allows it. Must come before the first thread, and after
    /// everything else that reads the arguments.
    pub fn take(settings: &Settings, config_file: Option<&Path>) -> Option<Title> {
        if !settings.set_proc_title {
            return None;
        }
        let program = std::env::args_os().next()?.to_string_lossy().into_owned();
        let area = TitleArea::claim()?;
        Some(Title { area, program, config_file: config_file.map(Path::to_path_buf) })
    }

    /// Shows what the settings say now.
    pub fn show(&mut self, settings: &Settings) {
        let text = self.text(settings);
        self.area.show(text.trim_end().as_bytes());
    }

    fn text(&self, settings: &Settings) -> String {
        fill(&settings.proc_title_template, |name| match name {
            "title" => self.program.clone(),
            "listen-addr" => listen_address(settings),
            "port" => settings.port.to_string(),
            "tls-port" => settings.tls_port.to_string(),
            "unixsocket" => settings.unixsocket.clone().unwrap_or_default(),
            "config-file" => {
                self.config_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
            }
            _ => String::new(),
        })
    }
}

/// The first address with its port, or the Unix socket.
fn listen_address(settings: &Settings) -> String {
    let port = settings.main_port();
    if port == 0 {
        return settings.unixsocket.clone().unwrap_or_default();
    }
    let address = settings.bind.first().map_or("*", String::as_str);
    format!("{}:{}", address.strip_prefix('-').unwrap_or(address), port)
}

/// Puts a value in the place of each `{name}`.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut parts = template.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // A template without the second brace was refused when it was set.
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        text.push_str(&value(name));
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(words: &[&str]) -> Settings {
        let args: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        config::load(&args, &crate::DiskFiles).unwrap().config.settings().clone()
    }

    #[test]
    fn templates_are_filled_in() {
        let value = |name: &str| name.to_uppercase();
        assert_eq!(fill("{title} {port}", value), "TITLE PORT");
        assert_eq!(fill("a{b}c{d}", value), "aBcD");
        assert_eq!(fill("plain", value), "plain");
        assert_eq!(fill("", value), "");
    }

    #[test]
    fn addresses() {
        assert_eq!(listen_address(&settings(&[])), "*:6379");
        assert_eq!(listen_address(&settings(&["--bind", "-::1 127.0.0.1", "--port", "7"])), "::1:7");
        assert_eq!(listen_address(&settings(&["--port", "0", "--unixsocket", "/run/s"])), "/run/s");
    }
}
