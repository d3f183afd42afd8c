//! Which clients watch which keys.

use std::collections::HashMap;

use crate::action::ConnId;

/// Keys that clients watch, with their databases.
#[derive(Default)]
pub(crate) struct Watchers {
    keys: HashMap<(usize, Box<[u8]>), Vec<ConnId>>,
}

impl Watchers {
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Watched keys, for INFO `total_watched_keys`.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn add(&mut self, db: usize, key: &[u8], conn: ConnId) {
        let list = self.keys.entry((db, key.into())).or_default();
        if !list.contains(&conn) {
            list.push(conn);
        }
    }

    pub fn remove(&mut self, db: usize, key: &[u8], conn: ConnId) {
        let entry = (db, Box::from(key));
        if let Some(list) = self.keys.get_mut(&entry) {
            list.retain(|&other| other != conn);
            if list.is_empty() {
                self.keys.remove(&entry);
            }
        }
    }

    /// Clients that watch this key.
    pub fn of_key(&self, db: usize, key: &[u8]) -> &[ConnId] {
        // The map owns its keys: a look-up needs one too. It happens only while somebody watches something.
        self.keys.get(&(db, Box::from(key))).map_or(&[], Vec::as_slice)
    }

    /// Keys watched in one database, with their clients.
    pub fn in_db(&self, db: usize) -> impl Iterator<Item = (&[u8], &[ConnId])> {
        self.keys.iter().filter(move |((other, _), _)| *other == db).map(|((_, key), list)| (&**key, &**list))
    }
}
