//! The talk before a synchronisation: who we are, what we can do, and where we want to go on.
//!
//! ```text
//!  replica                                      master
//!  PING                                     ──▶
//!                                           ◀── +PONG | -NOAUTH | -NOPERM
//!  [AUTH] REPLCONF listening-port …         ──▶        sent together, answered in order
//!  [REPLCONF ip-address …] REPLCONF capa …
//!  [REPLCONF version …]
//! [REPLCONF lineage id:offset,…]            ──▶        only with several names to offer
//!                                           ◀── +OK for AUTH; anything for REPLCONF, `+id` for lineage
//!  PSYNC id byte | PSYNC ? -1               ──▶
//!                                           ◀── +FULLRESYNC id offset | +CONTINUE [id]
//!                                               | +RDBCHANNELSYNC client | +DUALCHANNELSYNC: if offered
//!                                               | -NOMASTERLINK, -LOADING: later
//!                                               | any other error: the master does not know PSYNC
//!  SYNC                                     ──▶        then the payload follows
//! ```

use super::line::LineReader;
use super::outbox::Outbox;
use super::{LinkConfig, LinkError, PayloadRequest, Resume};
use crate::wire::{LINEAGE_UNKNOWN, byte_wanted, excerpt, parse_number};
use crate::{Offset, ReplicationId};

/// One request whose reply is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Ping,
    Auth,
    Replconf,
    Psync,
}

impl Request {
    fn expected(self) -> &'static str {
        match self {
            Request::Ping => "the reply to PING",
            Request::Auth => "the reply to AUTH",
            Request::Replconf => "the reply to REPLCONF",
            Request::Psync => "the reply to PSYNC",
        }
    }
}

/// How a handshake ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    Full {
        id: ReplicationId,
        offset: Offset,
    },
    /// SYNC has been sent.
    Legacy,
    Continue {
        offered: Resume,
        new_id: Option<ReplicationId>,
    },
    /// The payload is to be asked for over another connection.
    SecondConnection(PayloadRequest),
}

/// A handshake under way.
#[derive(Debug)]
pub(super) struct Handshake {
    lines: LineReader,
    awaiting: Request,
    /// REPLCONF replies that are still to come before PSYNC may be sent.
    replconfs: usize,
    /// What PSYNC offers.
    offer: Option<Resume>,
    /// The master has said which of several names it can continue.
    consulted: bool,
}

impl Handshake {
    /// Begins: queues PING.
    pub(super) fn begin(out: &mut Outbox) -> Handshake {
        out.request(&[b"PING"]);
        Handshake {
            lines: LineReader::default(),
            awaiting: Request::Ping,
            replconfs: 0,
            offer: None,
            consulted: false,
        }
    }

    pub(super) fn waiting_for(&self) -> &'static str {
        self.awaiting.expected()
    }

    /// Whether PSYNC has been sent, so that the master may have acted on it.
    pub(super) fn has_asked(&self) -> bool {
        self.awaiting == Request::Psync
    }

    /// Takes replies from the front of `input` until they run out or the handshake ends.
    pub(super) fn step(
        &mut self,
        input: &mut &[u8],
        config: &LinkConfig,
        out: &mut Outbox,
    ) -> Result<Option<Agreement>, LinkError> {
        while let Some(line) = self.lines.next(input, self.awaiting.expected())? {
            if let Some(agreement) = self.reply(&line, config, out)? {
                return Ok(Some(agreement));
            }
        }
        Ok(None)
    }

    fn reply(
        &mut self,
        line: &[u8],
        config: &LinkConfig,
        out: &mut Outbox,
    ) -> Result<Option<Agreement>, LinkError> {
        match self.awaiting {
            Request::Ping => {
                if is_temporary(line) {
                    return Err(LinkError::NotReady { reply: excerpt(line) });
                }
                // A master that wants a password first is a master all the same.
                if !line.starts_with(b"+") && !is_denial(line) {
                    return Err(self.unexpected(line));
                }
                self.introduce(config, out);
            }
            Request::Auth => {
                if line.starts_with(b"-") {
                    return Err(LinkError::Denied { request: "AUTH", reply: excerpt(line) });
                }
                if !line.starts_with(b"+") {
                    return Err(self.unexpected(line));
                }
                self.awaiting = Request::Replconf;
            }
            Request::Replconf => {
                // An old master does not know every option, and can do without.
                if !line.starts_with(b"+") && !line.starts_with(b"-") {
                    return Err(self.unexpected(line));
                }
                self.replconfs -= 1;
                if self.replconfs == 0 {
                    // The question about names comes last.
                    self.choose(line, config);
                    self.ask(config, out);
                    self.awaiting = Request::Psync;
                }
            }
            Request::Psync => return self.agree(line, config, out).map(Some),
        }
        Ok(None)
    }

    /// Sends everything that does not depend on an answer.
    fn introduce(&mut self, config: &LinkConfig, out: &mut Outbox) {
        self.awaiting = Request::Replconf;
        if let Some(auth) = &config.auth {
            match &auth.user {
                Some(user) => out.request(&[b"AUTH", user.as_bytes(), auth.password.as_bytes()]),
                None => out.request(&[b"AUTH", auth.password.as_bytes()]),
            }
            self.awaiting = Request::Auth;
        }
        let mut replconf = |options: &[&[u8]]| {
            let mut request: Vec<&[u8]> = vec![b"REPLCONF"];
            request.extend_from_slice(options);
            out.request(&request);
            self.replconfs += 1;
        };
        replconf(&[b"listening-port", config.listening_port.to_string().as_bytes()]);
        if let Some(ip) = &config.announce_ip {
            replconf(&[b"ip-address", ip.as_bytes()]);
        }
        let mut capa: Vec<&[u8]> = vec![b"capa", b"eof", b"capa", b"psync2"];
        if config.rdb_channel {
            capa.extend_from_slice(&[b"capa", b"rdb-channel-repl"]);
        }
        if config.dual_channel {
            capa.extend_from_slice(&[b"capa", b"dual-channel"]);
        }
        replconf(&capa);
        if let Some(version) = &config.version {
            replconf(&[b"version", version.as_bytes()]);
        }
        if !config.alternatives.is_empty() {
            let names: Vec<String> = offers(config).map(|offer| offer.to_string()).collect();
            replconf(&[b"lineage", names.join(",").as_bytes()]);
        }
    }

    /// What the master makes of our PSYNC.
    fn agree(&self, line: &[u8], config: &LinkConfig, out: &mut Outbox) -> Result<Agreement, LinkError> {
        let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let reply = words.next().unwrap_or_default();
        if reply == b"+FULLRESYNC" {
            let id = words.next().and_then(|word| ReplicationId::from_bytes(word).ok());
            let offset = words.next().and_then(parse_number).map(Offset);
            return match (id, offset) {
                (Some(id), Some(offset)) => Ok(Agreement::Full { id, offset }),
                _ => Err(self.unexpected(line)),
            };
        }
        if reply == b"+CONTINUE"
            && let Some(offered) = self.offer
        {
            let new_id = words.next().map(ReplicationId::from_bytes).transpose();
            return new_id
                .map(|new_id| Agreement::Continue { offered, new_id })
                .map_err(|_| self.unexpected(line));
        }
        if reply == b"+RDBCHANNELSYNC" && config.rdb_channel {
            let main_client = words.next().and_then(parse_number).ok_or_else(|| self.unexpected(line))?;
            return Ok(Agreement::SecondConnection(PayloadRequest::Redis { main_client }));
        }
        if reply == b"+DUALCHANNELSYNC" && config.dual_channel {
            return Ok(Agreement::SecondConnection(PayloadRequest::Valkey));
        }
        if is_temporary(line) {
            return Err(LinkError::NotReady { reply: excerpt(line) });
        }
        if is_denial(line) {
            return Err(LinkError::Denied { request: "PSYNC", reply: excerpt(line) });
        }
        // A failover must not turn into a full copy of a peer that did not take over.
        if line.starts_with(b"-") && !config.failover {
            out.request(&[b"SYNC"]);
            return Ok(Agreement::Legacy);
        }
        Err(self.unexpected(line))
    }

    /// Takes in which name the master can continue, if it was asked and understood.
    fn choose(&mut self, line: &[u8], config: &LinkConfig) {
        self.offer = config.resume;
        if config.alternatives.is_empty() {
            return;
        }
        let chosen = line.strip_prefix(b"+").map(String::from_utf8_lossy);
        let chosen = offers(config).find(|offer| chosen.as_deref() == Some(offer.to_string().as_str()));
        self.consulted = chosen.is_some() || line == LINEAGE_UNKNOWN;
        if chosen.is_some() {
            self.offer = chosen;
        }
    }

    /// Whether the master knows of all names that there are to offer, and has chosen.
    pub(super) fn consulted(&self) -> bool {
        self.consulted
    }

    /// Sends PSYNC.
    fn ask(&self, config: &LinkConfig, out: &mut Outbox) {
        let (id, byte) = match self.offer {
            Some(Resume { id, applied }) => (id.to_string(), byte_wanted(applied).to_string()),
            None => ("?".to_owned(), "-1".to_owned()),
        };
        if config.failover {
            out.request(&[b"PSYNC", id.as_bytes(), byte.as_bytes(), b"FAILOVER"]);
        } else {
            out.request(&[b"PSYNC", id.as_bytes(), byte.as_bytes()]);
        }
    }

    fn unexpected(&self, line: &[u8]) -> LinkError {
        LinkError::Unexpected { expected: self.awaiting.expected(), got: excerpt(line) }
    }
}

/// Everything that there is to offer.
fn offers(config: &LinkConfig) -> impl Iterator<Item = Resume> {
    config.resume.iter().chain(&config.alternatives).copied()
}

/// Errors that go away by themselves.
pub(super) fn is_temporary(line: &[u8]) -> bool {
    [&b"-LOADING"[..], b"-NOMASTERLINK", b"-MASTERDOWN", b"-BUSY"].iter().any(|code| has_code(line, code))
}

/// Errors that go away when somebody changes a password or an ACL.
fn is_denial(line: &[u8]) -> bool {
    [&b"-NOAUTH"[..], b"-NOPERM", b"-ERR operation not permitted"].iter().any(|code| has_code(line, code))
}

fn has_code(line: &[u8], code: &[u8]) -> bool {
    line.strip_prefix(code).is_some_and(|rest| rest.first().is_none_or(|&byte| byte == b' '))
}
