//! The stack that a script runs on, and what goes back and forth between it and its host.

use std::ffi::c_int;
use std::ptr;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use mlua::ffi::{LUA_MASKCOUNT, lua_Debug, lua_State, lua_error, lua_pushlstring_, lua_sethook};
use resp::{ReplyBuf, Span};

use super::heap::heap_of;

/// Why a script stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It calls the command in [`Exchange::request`].
    Call,
    /// It asks whether it might call the command in [`Exchange::request`].
    AclCheck,
    /// It has something for the log.
    Log,
    /// Its slice is over.
    Tick,
}

/// What goes back and forth. Whichever side runs has it to itself.
#[derive(Default)]
pub(crate) struct Exchange {
    /// The arguments of the call, one behind the other.
    pub request: Vec<u8>,
    /// Where they lie.
    pub spans: Vec<Span>,
    /// The reply to it, as it would go to a client.
    pub reply: Vec<u8>,
    /// The answer to an ACL check.
    pub permitted: Option<bool>,
    /// Level and text for the log.
    pub log: (u8, Vec<u8>),
    /// The script has chosen RESP3 for its calls.
    pub resp3: bool,
    /// What becomes of its effects, as in [`crate::repl`].
    pub repl: u8,
    /// The script's result.
    pub out: ReplyBuf,
    /// Why it has none.
    pub error: Option<crate::ScriptError>,
    /// Why the script is to end.
    pub killed: Option<&'static str>,
    /// The functions that a library registers while it is loaded.
    pub loading: Option<Vec<crate::library::Registration>>,
    /// Randomness of `math.random`.
    pub rng: fastrand::Rng,
    /// cjson's settings.
    pub cjson: crate::libs::cjson::Settings,
}

/// An [`Exchange`], and the way out of the script that runs.
pub(super) struct Link {
    pub exchange: Exchange,
    /// Valid while a script runs.
    yielder: *const Yielder<(), Event>,
}

impl Link {
    pub fn new() -> Link {
        Link { exchange: Exchange::default(), yielder: ptr::null() }
    }
}

/// Enough for 200 nested C calls, which is Lua's own limit, each with a pattern buffer, and a pattern match on top. Only what is
/// used becomes memory.
const STACK_BYTES: usize = 16 << 20;
/// Instructions between two looks at the time.
const SLICE: c_int = 100_000;

/// A script in progress.
pub(super) struct Running {
    coroutine: Option<Coroutine<(), Event, (), DefaultStack>>,
    spare: Option<DefaultStack>,
}

impl Running {
    pub fn new() -> Running {
        Running { coroutine: None, spare: None }
    }

    pub fn is_running(&self) -> bool {
        self.coroutine.is_some()
    }

    /// Puts `body` on a stack; [`Running::resume`] begins it.
    ///
    /// # Safety
    ///
    /// `link` and all that `body` refers to outlive the run.
    pub unsafe fn begin(&mut self, link: *mut Link, body: impl FnOnce() + 'static) -> std::io::Result<()> {
        let stack = match self.spare.take() {
            Some(stack) => stack,
            None => DefaultStack::new(STACK_BYTES)?,
        };
        self.coroutine = Some(Coroutine::with_stack(stack, move |yielder: &Yielder<(), Event>, ()| {
            // SAFETY: the caller keeps the link alive; nobody else has it while the script runs.
            unsafe { (*link).yielder = yielder };
            body();
            // SAFETY: as above.
            unsafe { (*link).yielder = ptr::null() };
        }));
        Ok(())
    }

    /// Lets the script go on until it stops or ends.
    pub fn resume(&mut self) -> Option<Event> {
        let coroutine = self.coroutine.as_mut()?;
        match coroutine.resume(()) {
            CoroutineResult::Yield(event) => Some(event),
            CoroutineResult::Return(()) => {
                self.spare = self.coroutine.take().map(Coroutine::into_stack);
                None
            }
        }
    }

    /// Gives a suspended script up where it stands.
    ///
    /// # Safety
    ///
    /// What its frames own is leaked, and the interpreter that it ran on may only be closed after this.
    pub unsafe fn abandon(&mut self) {
        if let Some(mut coroutine) = self.coroutine.take() {
            // SAFETY: nothing refers to what lies on the stack but the interpreter, as the caller promises.
            unsafe { coroutine.force_reset() };
        }
    }
}

/// Stops the script that runs on this thread of its interpreter until the host resumes it.
///
/// # Safety
///
/// Called on the script's own stack, with no reference to the link alive.
pub(super) unsafe fn suspend(l: *mut lua_State, event: Event) {
    // SAFETY: the heap and the link live as long as the interpreter.
    unsafe {
        let link = (*heap_of(l)).link;
        let yielder = (*link).yielder;
        if !yielder.is_null() {
            (*yielder).suspend(event);
        }
    }
}

/// Makes the interpreter look up every so many instructions. Threads that scripts make inherit it.
///
/// # Safety
///
/// `l` is a live thread.
pub(super) unsafe fn set_hook(l: *mut lua_State, every: Option<c_int>) {
    // SAFETY: as the caller promises.
    unsafe { lua_sethook(l, Some(hook), LUA_MASKCOUNT, every.unwrap_or(SLICE)) };
}

/// What happens then. A script that was killed gets its error at every instruction from now on, so no `pcall` holds it.
unsafe extern "C-unwind" fn hook(l: *mut lua_State, _: *mut lua_Debug) {
    // SAFETY: called by the interpreter between two instructions, on the script's stack; nothing here is to be dropped when
    // lua_error jumps.
    unsafe {
        let heap = heap_of(l);
        let link = (*heap).link;
        if (*link).yielder.is_null() {
            return;
        }
        if (*link).exchange.killed.is_none() {
            // It may have come early this time.
            set_hook(l, None);
            suspend(l, Event::Tick);
        }
        if let Some(text) = (*link).exchange.killed {
            set_hook(l, Some(1));
            (*heap).native += 1;
            lua_pushlstring_(l, text.as_ptr().cast(), text.len());
            (*heap).native -= 1;
            lua_error(l);
        }
    }
}
