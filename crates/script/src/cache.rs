//! The scripts of EVAL, by their SHA-1.

use std::collections::{HashMap, VecDeque};

use sha1::{Digest, Sha1};

use crate::lua::FunctionRef;
use crate::shebang::Flags;

/// Scripts that came by EVAL alone; one more drives the oldest out.
const MAX_EVALUATED: usize = 500;

/// The SHA-1 of a script, in lowercase hexadecimal: what EVALSHA calls it.
pub fn sha1_hex(text: &[u8]) -> [u8; 40] {
    let digest: [u8; 20] = Sha1::digest(text).into();
    let mut hex = [0; 40];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(digest) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    hex
}

/// A script that is known.
#[derive(Clone, Debug)]
pub struct Cached {
    /// Its text.
    pub body: Box<[u8]>,
    /// What it declares.
    pub flags: Flags,
    /// What it was compiled to.
    pub function: FunctionRef,
    /// It came by EVAL, and its place in the order of those; scripts that were loaded have none.
    evaluated: Option<u64>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct ScriptCache {
    scripts: HashMap<[u8; 40], Cached>,
    /// Those that came by EVAL, in the order of their last use; places that a later use made void are passed over.
    order: VecDeque<(u64, [u8; 40])>,
    next: u64,
    evaluated: usize,
    bytes: usize,
    /// How many were driven out so far.
    pub evicted: u64,
}

impl ScriptCache {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.scripts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.scripts.is_empty()
    }

    /// Bytes that they take, outside of the interpreter.
    pub fn bytes(&self) -> usize {
        self.bytes + self.scripts.len() * (size_of::<Cached>() + 40 + 16)
    }

    /// A script by its name, in any case.
    pub fn find(&self, sha: &[u8]) -> Option<(&[u8; 40], &Cached)> {
        let name: [u8; 40] = sha.try_into().ok()?;
        self.scripts.get_key_value(&name.map(|byte| byte.to_ascii_lowercase()))
    }

    /// Notes that a script is used, which puts off its eviction.
    pub fn used(&mut self, sha: &[u8; 40]) {
        let Some(script) = self.scripts.get_mut(sha) else { return };
        let Some(place) = &mut script.evaluated else { return };
        // Whoever is the last used already stays where it is: a hot script costs nothing.
        if *place + 1 == self.next {
            return;
        }
        *place = self.next;
        self.order.push_back((self.next, *sha));
        self.next += 1;
        if self.order.len() > 2 * MAX_EVALUATED {
            let scripts = &self.scripts;
            self.order.retain(|(place, sha)| {
                scripts.get(sha).is_some_and(|script| script.evaluated == Some(*place))
            });
        }
    }

    /// Keeps a script for good: SCRIPT LOAD. Whether it was there.
    pub fn pin(&mut self, sha: &[u8; 40]) -> bool {
        let Some(script) = self.scripts.get_mut(sha) else { return false };
        if script.evaluated.take().is_some() {
            self.evaluated -= 1;
        }
        true
    }

    /// Adds a script that is not there yet. Gives the functions of those that it drives out.
    pub fn add(
        &mut self,
        sha: [u8; 40],
        body: &[u8],
        flags: Flags,
        function: FunctionRef,
        evaluated: bool,
    ) -> Vec<FunctionRef> {
        let mut gone = Vec::new();
        let mut place = None;
        if evaluated {
            while self.evaluated >= MAX_EVALUATED {
                let Some((place, oldest)) = self.order.pop_front() else { break };
                if self.scripts.get(&oldest).is_some_and(|script| script.evaluated == Some(place))
                    && let Some(script) = self.scripts.remove(&oldest)
                {
                    self.evaluated -= 1;
                    self.evicted += 1;
                    self.bytes -= script.body.len();
                    gone.push(script.function);
                }
            }
            place = Some(self.next);
            self.order.push_back((self.next, sha));
            self.next += 1;
            self.evaluated += 1;
        }
        self.bytes += body.len();
        self.scripts.insert(sha, Cached { body: body.into(), flags, function, evaluated: place });
        gone
    }
}
