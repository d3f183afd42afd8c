//! Why a script has no result.

/// An error that ended a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptError {
    /// What went wrong, with its code: `ERR …`.
    pub text: Vec<u8>,
    /// The chunk and line where it did.
    pub place: Option<(Vec<u8>, i64)>,
    /// It was an error reply already, and has been counted as one.
    pub counted: bool,
}

impl ScriptError {
    /// The text of the error reply.
    pub fn reply(&self) -> String {
        let text = String::from_utf8_lossy(&self.text);
        match &self.place {
            Some((source, line)) => format!("{text} script: on {}:{line}.", String::from_utf8_lossy(source)),
            None => text.into_owned(),
        }
    }
}
