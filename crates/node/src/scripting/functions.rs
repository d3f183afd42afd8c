//! Libraries within the instance: loading them, and carrying them from one instance to the next.

use std::sync::Arc;

use script::{LibraryHeader, RestorePolicy, Step};

use super::Engine;
use super::run::log_for_script;
use crate::action::Action;
use crate::node::Node;

/// How long a library may take to load.
const LOAD_LIMIT_NS: u64 = 500_000_000;
/// The same in slices, where the clock stands still.
const LOAD_LIMIT_SLICES: u32 = 5000;

impl Node {
    /// Loads a library; gives its name.
    pub(crate) fn load_library(&mut self, code: &[u8], replace: bool) -> Result<Box<[u8]>, String> {
        let header = LibraryHeader::of(code)?;
        if !replace && self.scripting.libraries.get(&header.name).is_some() {
            return Err(format!("ERR Library '{}' already exists", String::from_utf8_lossy(&header.name)));
        }
        let rng = &mut self.rng;
        let mut machine = self.scripting.take(Engine::Functions, || rng.u64(..));
        let began = (self.boot.clock_ns)();
        let mut slices = 0;
        let result = machine.prepare_library(code).and_then(|()| {
            loop {
                match machine.resume() {
                    Step::Done => break machine.loaded(code),
                    Step::Log => log_for_script(&machine),
                    Step::Slice => {
                        slices += 1;
                        let elapsed = (self.boot.clock_ns)().saturating_sub(began);
                        if elapsed > LOAD_LIMIT_NS || slices > LOAD_LIMIT_SLICES {
                            machine.kill("FUNCTION LOAD timeout");
                        }
                    }
                    // Libraries call nothing while they are loaded.
                    Step::Call | Step::AclCheck => machine.kill("FUNCTION LOAD calls a command"),
                }
            }
        });
        let result = result.and_then(|library| match self.scripting.libraries.check(&library, replace) {
            Ok(()) => Ok(library),
            Err(error) => {
                for function in &library.functions {
                    machine.release(function.callback);
                }
                Err(error)
            }
        });
        if let Ok(library) = &result
            && let Some(old) = self.scripting.libraries.add(library.clone())
        {
            for function in &old.functions {
                machine.release(function.callback);
            }
        }
        self.scripting.put(Engine::Functions, machine);
        result.map(|library| library.name)
    }

    /// Deletes a library; whether there was one.
    pub(crate) fn delete_library(&mut self, name: &[u8]) -> bool {
        let Some(library) = self.scripting.libraries.remove(name) else { return false };
        let rng = &mut self.rng;
        let machine = self.scripting.machine(Engine::Functions, || rng.u64(..));
        for function in &library.functions {
            machine.release(function.callback);
        }
        true
    }

    /// Deletes all libraries, and frees what they took.
    pub(crate) fn flush_libraries(&mut self) {
        if let Some(machine) = self.scripting.flush_functions() {
            self.actions.push(Action::Free(Box::new(machine)));
        }
    }

    /// The texts of all libraries, in the order of their names.
    pub fn library_texts(&self) -> Arc<[Box<[u8]>]> {
        self.scripting.libraries.iter().map(|library| library.code.clone()).collect()
    }

    /// Makes these all the libraries that there are: those of a dataset that takes the place of the old one. One that cannot be loaded
    /// is passed over.
    pub(crate) fn replace_functions(&mut self, texts: &[Vec<u8>]) {
        self.flush_libraries();
        for code in texts {
            if let Err(error) = self.load_library(code, false) {
                tracing::warn!("A library of the dataset cannot be loaded: {error}");
            }
        }
    }

    /// Adds libraries to those that are there: all of them, or none.
    pub(crate) fn add_functions(&mut self, texts: &[Vec<u8>], policy: RestorePolicy) -> Result<(), String> {
        let before = self.library_texts();
        if policy == RestorePolicy::Flush {
            self.flush_libraries();
        }
        let result = texts.iter().try_for_each(|code| {
            let header = LibraryHeader::of(code)?;
            if policy != RestorePolicy::Replace && self.scripting.libraries.get(&header.name).is_some() {
                return Err(format!("ERR Library {} already exists", String::from_utf8_lossy(&header.name)));
            }
            self.load_library(code, policy == RestorePolicy::Replace).map(|_| ())
        });
        if result.is_err() {
            let before: Vec<Vec<u8>> = before.iter().map(|code| code.to_vec()).collect();
            self.replace_functions(&before);
        }
        result
    }
}
