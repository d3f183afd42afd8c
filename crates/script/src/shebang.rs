//! The first line of a script or a library, if it begins with `#!`.

/// What a script declares about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// It writes nothing.
    pub no_writes: bool,
    /// It may run when memory is short.
    pub allow_oom: bool,
    /// It may run on a replica whose data is stale.
    pub allow_stale: bool,
    /// It must not run in a cluster.
    pub no_cluster: bool,
    /// Its keys may belong to several slots.
    pub allow_cross_slot_keys: bool,
    /// There is no shebang line: such a script is judged by the commands that it calls.
    pub undeclared: bool,
}

impl Flags {
    /// Sets a flag by its name; whether there is one.
    pub fn add(&mut self, name: &[u8]) -> bool {
        *match name {
            b"no-writes" => &mut self.no_writes,
            b"allow-oom" => &mut self.allow_oom,
            b"allow-stale" => &mut self.allow_stale,
            b"no-cluster" => &mut self.no_cluster,
            b"allow-cross-slot-keys" => &mut self.allow_cross_slot_keys,
            _ => return false,
        } = true;
        true
    }

    /// The names of those that are set.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.no_writes, "no-writes"),
            (self.allow_oom, "allow-oom"),
            (self.allow_stale, "allow-stale"),
            (self.no_cluster, "no-cluster"),
            (self.allow_cross_slot_keys, "allow-cross-slot-keys"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
    }
}

/// A script's text, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shebang<'a> {
    /// What it declares.
    pub flags: Flags,
    /// The text from the end of the first line on, so that lines keep their numbers.
    pub code: &'a [u8],
}

impl<'a> Shebang<'a> {
    /// Takes a script for EVAL apart.
    ///
    /// # Errors
    ///
    /// The error reply.
    pub fn of_script(body: &'a [u8]) -> Result<Shebang<'a>, String> {
        let Some(line) = body.strip_prefix(b"#!") else {
            return Ok(Shebang { flags: Flags { undeclared: true, ..Flags::default() }, code: body });
        };
        let Some(end) = line.iter().position(|&byte| byte == b'\n') else {
            return Err("ERR Invalid script shebang".to_owned());
        };
        let (engine, rest) = first_word(&line[..end]);
        let words = words(rest);
        if !engine.eq_ignore_ascii_case(b"lua") {
            return Err(format!("ERR Could not find scripting engine '{}'", engine.escape_ascii()));
        }
        let mut flags = Flags::default();
        for word in words {
            let Some(list) = word.strip_prefix(b"flags=") else {
                return Err(format!("ERR Unknown lua shebang option: {}", word.escape_ascii()));
            };
            for flag in list.split(|&byte| byte == b',').filter(|flag| !flag.is_empty()) {
                if !flags.add(flag) {
                    return Err(format!("ERR Unexpected flag in script shebang: {}", flag.escape_ascii()));
                }
            }
        }
        Ok(Shebang { flags, code: &line[end..] })
    }
}

/// A library's first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryHeader<'a> {
    /// The library's name.
    pub name: Vec<u8>,
    /// The text from the end of the first line on.
    pub code: &'a [u8],
}

impl<'a> LibraryHeader<'a> {
    /// Takes the text of FUNCTION LOAD apart.
    ///
    /// # Errors
    ///
    /// The error reply.
    pub fn of(body: &'a [u8]) -> Result<LibraryHeader<'a>, String> {
        let Some(line) = body.strip_prefix(b"#!") else {
            return Err("ERR Missing library metadata".to_owned());
        };
        let Some(end) = line.iter().position(|&byte| byte == b'\n') else {
            return Err("ERR Invalid library metadata".to_owned());
        };
        let (engine, rest) = first_word(&line[..end]);
        let words = resp::split_inline(rest).map_err(|_| "ERR Invalid library metadata".to_owned())?;
        let mut name = None;
        for word in &words {
            let Some(value) = word.strip_prefix(b"name=") else {
                return Err(format!("ERR Invalid metadata value given: {}", word.escape_ascii()));
            };
            if name.replace(value.to_vec()).is_some() {
                return Err("ERR Invalid metadata value, name argument was given multiple times".to_owned());
            }
        }
        if !engine.eq_ignore_ascii_case(b"lua") {
            return Err(format!("ERR Engine '{}' not found", engine.escape_ascii()));
        }
        let Some(name) = name else {
            return Err("ERR Library name was not given".to_owned());
        };
        if !crate::library::is_name(&name) {
            return Err(format!("ERR Library {}", crate::library::NAME_RULE));
        }
        Ok(LibraryHeader { name, code: &line[end..] })
    }
}

/// What stands before the first blank, and what behind it.
fn first_word(line: &[u8]) -> (&[u8], &[u8]) {
    line.split_at(line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len()))
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty())
}
