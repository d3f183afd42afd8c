//! Whether a replica can continue where it is, or needs everything.

use backlog::{Continuation, History, Log};

use super::reply::continue_line;
use crate::wire::{parse_signed, position_asked_for};
use crate::{Capabilities, Offset, ReplicationId};

/// A `PSYNC` request as a master understands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PsyncRequest {
    /// The history that the replica holds; `None` if it says `?` or something that is no id.
    pub id: Option<ReplicationId>,
    /// Up to where it has applied it; `None` if the byte it asks for does not exist, as in `PSYNC ? -1`.
    pub applied: Option<Offset>,
    /// The peer is a master that hands over: who holds its very history is to be promoted before answering.
    pub failover: bool,
}

/// A `PSYNC` request that cannot be understood. `Display` is the text after `-ERR `.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PsyncRequestError {
    /// Too few or too many words.
    #[error("wrong number of arguments for 'psync' command")]
    Arity,
    /// The byte number is none.
    #[error("value is not an integer or out of range")]
    NotANumber,
    /// An option that is not known.
    #[error("syntax error")]
    Syntax,
}

impl PsyncRequest {
    /// Reads the arguments that follow the word `PSYNC`.
    pub fn parse<'a>(args: impl IntoIterator<Item = &'a [u8]>) -> Result<PsyncRequest, PsyncRequestError> {
        let mut args = args.into_iter();
        let (Some(id), Some(byte)) = (args.next(), args.next()) else {
            return Err(PsyncRequestError::Arity);
        };
        let failover = match args.next() {
            None => false,
            Some(option) if option.eq_ignore_ascii_case(b"failover") => true,
            Some(_) => return Err(PsyncRequestError::Syntax),
        };
        if args.next().is_some() {
            return Err(PsyncRequestError::Arity);
        }
        let byte = parse_signed(byte).ok_or(PsyncRequestError::NotANumber)?;
        let id = ReplicationId::from_bytes(id).ok();
        Ok(PsyncRequest { id, applied: position_asked_for(byte), failover })
    }
}

/// What a master does about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// The replica continues.
    Continue {
        /// The line to answer with.
        reply: Vec<u8>,
        /// The stream goes on from here.
        from: Offset,
    },
    /// The replica needs everything: it has to wait for a snapshot.
    Full {
        /// Why, for the log: the question that operators ask first.
        reason: FullReason,
    },
}

/// Why a replica needs a full synchronisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FullReason {
    /// It offered nothing to continue.
    #[error("the replica holds no history to continue")]
    NothingOffered,
    /// It holds another history.
    #[error("the replica's history {asked} is not known here")]
    UnknownId {
        /// Its name.
        asked: ReplicationId,
    },
    /// It holds more of the past history than was ever seen here.
    #[error(
        "the replica has applied {applied} bytes of {asked}, \
         of which only {valid_to} are part of the present history"
    )]
    Diverged {
        /// The history's name.
        asked: ReplicationId,
        /// What the replica has.
        applied: Offset,
        /// What both share.
        valid_to: Offset,
    },
    /// The log no longer reaches back so far.
    #[error(
        "the replica has applied {applied} bytes, the log begins {missing} bytes later: \
         a larger backlog would have sufficed"
    )]
    TooOld {
        /// What the replica has.
        applied: Offset,
        /// How many bytes more the log would have had to keep.
        missing: u64,
    },
    /// It claims to hold more than there is.
    #[error("the replica has applied {applied} bytes, {by} more than this master holds")]
    Ahead {
        /// What the replica has.
        applied: Offset,
        /// How many bytes too many.
        by: u64,
    },
}

/// Decides about one request. A master whose own link to its master is down should not come here but answer
/// `-NOMASTERLINK`.
pub fn decide(request: &PsyncRequest, capabilities: Capabilities, history: &History, log: &Log) -> Decision {
    let (Some(asked), Some(applied)) = (request.id, request.applied) else {
        return Decision::Full { reason: FullReason::NothingOffered };
    };
    let reason = match history.can_continue(&asked, applied, log) {
        Continuation::Same | Continuation::FromPast => {
            return Decision::Continue { reply: continue_line(history.id(), capabilities), from: applied };
        }
        Continuation::UnknownId => FullReason::UnknownId { asked },
        Continuation::Diverged { valid_to } => FullReason::Diverged { asked, applied, valid_to },
        Continuation::TooOld { missing } => FullReason::TooOld { applied, missing },
        Continuation::Ahead { by } => FullReason::Ahead { applied, by },
    };
    Decision::Full { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(c: char) -> ReplicationId {
        c.to_string().repeat(40).parse().expect("well-formed")
    }

    fn parse(args: &str) -> Result<PsyncRequest, PsyncRequestError> {
        PsyncRequest::parse(args.split(' ').filter(|arg| !arg.is_empty()).map(str::as_bytes))
    }

    /// History `b` up to position 260, which was called `a` up to 200. The log begins at 100.
    fn ask(args: &str) -> String {
        let mut history = History::new(id('a'));
        let mut log = Log::new(Offset(100), 1 << 20);
        log.append(&[0; 100]);
        history.promote(id('b'), log.end());
        log.append(&[0; 60]);
        let request =
            parse(&args.replace("A ", &format!("{} ", id('a'))).replace("B ", &format!("{} ", id('b'))));
        match decide(&request.expect("well-formed"), Capabilities::OURS, &history, &log) {
            Decision::Continue { reply, from } => {
                assert_eq!(reply, continue_line(&id('b'), Capabilities::OURS));
                format!("continue from {from}")
            }
            Decision::Full { reason } => reason.to_string(),
        }
    }

    #[test]
    fn the_first_and_the_last_byte_that_may_be_asked_for() {
        let small = "the log begins 1 bytes later: a larger backlog would have sufficed";
        assert_eq!(ask("B 100"), format!("the replica has applied 99 bytes, {small}"));
        assert_eq!(ask("B 101"), "continue from 100");
        assert_eq!(ask("B 261"), "continue from 260");
        assert_eq!(ask("B 262"), "the replica has applied 261 bytes, 1 more than this master holds");
    }

    #[test]
    fn the_past_history_reaches_to_second_repl_offset() {
        assert_eq!(ask("A 201"), "continue from 200");
        assert_eq!(
            ask("A 202"),
            format!(
                "the replica has applied 201 bytes of {}, of which only 200 are part of the present history",
                id('a')
            )
        );
    }

    #[test]
    fn those_who_offer_nothing_get_everything() {
        let nothing = "the replica holds no history to continue";
        for args in ["? -1", "? 150", "B 0", "B -1", "short 150"] {
            assert_eq!(ask(args), nothing, "{args}");
        }
        let stranger = id('c');
        assert_eq!(
            ask(&format!("{stranger} 150")),
            format!("the replica's history {stranger} is not known here")
        );
    }

    #[test]
    fn a_fresh_master_continues_byte_1() {
        let (history, log) = (History::new(id('a')), Log::new(Offset::ZERO, 1 << 20));
        let ask = |byte: &str| {
            let request = parse(&format!("{} {byte}", id('a'))).expect("well-formed");
            matches!(
                decide(&request, Capabilities::OURS, &history, &log),
                Decision::Continue { from: Offset::ZERO, .. }
            )
        };
        assert!(ask("1"));
        assert!(!ask("0") && !ask("2"));
    }

    #[test]
    fn requests_are_checked() {
        assert!(parse("? -1 FailOver").is_ok_and(|request| request.failover));
        assert!(parse("? -1").is_ok_and(|request| !request.failover));
        for (args, error) in [
            ("", PsyncRequestError::Arity),
            ("?", PsyncRequestError::Arity),
            ("? -1 failover x", PsyncRequestError::Arity),
            ("? x", PsyncRequestError::NotANumber),
            ("? 9223372036854775808", PsyncRequestError::NotANumber),
            ("? 1.5", PsyncRequestError::NotANumber),
            ("? -1 x", PsyncRequestError::Syntax),
        ] {
            assert_eq!(parse(args), Err(error), "{args}");
        }
    }
}
