//! Libraries of functions.

use std::collections::BTreeMap;

use crate::lua::FunctionRef;
use crate::shebang::Flags;

/// How a name has to be.
pub(crate) const NAME_RULE: &str =
    "names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// Whether a library or a function may be called so.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// A function that a library announces while it is loaded.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub name: Vec<u8>,
    pub description: Option<Vec<u8>>,
    pub flags: Flags,
    /// Its function, kept in the interpreter.
    pub callback: Option<FunctionRef>,
}

/// A function of a library.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: Box<[u8]>,
    /// What its author says about it.
    pub description: Option<Box<[u8]>>,
    /// What it declares.
    pub flags: Flags,
    /// What it was compiled to.
    pub callback: FunctionRef,
}

/// A library.
#[derive(Clone, Debug)]
pub struct Library {
    /// Its name.
    pub name: Box<[u8]>,
    /// Its text, first line included.
    pub code: Box<[u8]>,
    /// Its functions, by name.
    pub functions: Vec<Function>,
}

/// What FUNCTION RESTORE does about libraries that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestorePolicy {
    /// They go.
    Flush,
    /// One of the same name is an error.
    Append,
    /// One of the same name is replaced.
    Replace,
}

/// Where a function is: the name of its library, and its number there.
type Place = (Box<[u8]>, usize);

/// All libraries, and which of them each function belongs to.
#[derive(Debug, Default)]
pub struct Libraries {
    libraries: BTreeMap<Box<[u8]>, Library>,
    /// By their names in lower case: functions are called in any.
    functions: BTreeMap<Box<[u8]>, Place>,
}

impl Libraries {
    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Library> {
        self.libraries.values()
    }

    /// How many libraries there are.
    pub fn len(&self) -> usize {
        self.libraries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.libraries.is_empty()
    }

    /// How many functions they have.
    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Bytes that they take, outside of the interpreter.
    pub fn bytes(&self) -> usize {
        let of = |library: &Library| {
            let functions = library.functions.iter();
            let functions = functions.map(|function| {
                function.name.len() * 2 + function.description.as_ref().map_or(0, |text| text.len()) + 160
            });
            library.code.len() + library.name.len() * 2 + 96 + functions.sum::<usize>()
        };
        self.libraries.values().map(of).sum()
    }

    /// A library by its name.
    pub fn get(&self, name: &[u8]) -> Option<&Library> {
        self.libraries.get(name)
    }

    /// A function by its name, with its library.
    pub fn function(&self, name: &[u8]) -> Option<(&Library, &Function)> {
        let (library, index) = self.functions.get(&*name.to_ascii_lowercase())?;
        let library = self.libraries.get(library)?;
        Some((library, library.functions.get(*index)?))
    }

    /// Why a library may not be added, if it may not. Functions of the library that it replaces do not stand in its way.
    ///
    /// # Errors
    ///
    /// The error reply.
    pub fn check(&self, library: &Library, replace: bool) -> Result<(), String> {
        if !replace && self.libraries.contains_key(&library.name) {
            return Err(format!("ERR Library '{}' already exists", String::from_utf8_lossy(&library.name)));
        }
        for function in &library.functions {
            let owner = self.functions.get(&*function.name.to_ascii_lowercase());
            if owner.is_some_and(|(owner, _)| *owner != library.name) {
                return Err(format!(
                    "ERR Function {} already exists",
                    String::from_utf8_lossy(&function.name)
                ));
            }
        }
        Ok(())
    }

    /// Adds a library; gives the one that it replaces.
    pub fn add(&mut self, library: Library) -> Option<Library> {
        let old = self.remove(&library.name);
        for (index, function) in library.functions.iter().enumerate() {
            self.functions.insert(function.name.to_ascii_lowercase().into(), (library.name.clone(), index));
        }
        self.libraries.insert(library.name.clone(), library);
        old
    }

    /// Removes a library.
    pub fn remove(&mut self, name: &[u8]) -> Option<Library> {
        let library = self.libraries.remove(name)?;
        for function in &library.functions {
            self.functions.remove(&*function.name.to_ascii_lowercase());
        }
        Some(library)
    }
}
