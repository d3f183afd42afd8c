//! The views that are there, and what is kept for their sake alone.
//!
//! A write to something that a view shares leaves the old version behind, which lives on with the view. What single writes leave is
//! counted where they copy ([`collections::left_behind`]); here is kept since when it counts. What is shared at some moment is in
//! the newest view there is then, so that one answers for it.

use std::sync::{Arc, Weak};

use collections::left_behind;

/// A view as long as it is there.
#[derive(Debug)]
struct View {
    alive: Weak<Token>,
    /// What had been left behind, in all, when it was taken, and when the next one was.
    from: u64,
    to: Option<u64>,
}

/// Part of a view, dropped after everything else of it.
#[derive(Debug)]
pub(crate) struct Token;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Views {
    views: Vec<View>,
}

impl Views {
    /// A view is being taken.
    pub(crate) fn begin(&mut self) -> Arc<Token> {
        let now = left_behind::total();
        self.views.retain(View::is_alive);
        if let Some(newest) = self.views.last_mut() {
            newest.to.get_or_insert(now);
        }
        let token = Arc::new(Token);
        self.views.push(View { alive: Arc::downgrade(&token), from: now, to: None });
        token
    }

    pub(crate) fn any(&self) -> bool {
        self.views.iter().any(View::is_alive)
    }

    pub(crate) fn left_behind(&self) -> u64 {
        if self.views.is_empty() {
            return 0;
        }
        let now = left_behind::total();
        self.views.iter().filter(|view| view.is_alive()).map(|view| view.to.unwrap_or(now) - view.from).sum()
    }
}

impl View {
    fn is_alive(&self) -> bool {
        self.alive.strong_count() > 0
    }
}
