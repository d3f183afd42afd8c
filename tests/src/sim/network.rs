//! What goes over the network, when it arrives, and how connections come about and end.

use node::{ConnId, Peer};

use super::event::Event;
use super::machine::Machine;
use super::pipe::{End, Pipe};
use super::world::World;

impl World {
    /// The end `side` has closed the connection: the other one learns of it.
    pub(super) fn hang_up(&mut self, pipe: usize, side: usize) {
        self.pipes[pipe].ends[side] = End::Gone;
        self.pipes[pipe].kept[side].clear();
        let other = 1 - side;
        if self.pipes[pipe].ends[other] != End::Gone {
            let at = self.arrival(pipe, other);
            self.schedule_at(at, Event::Closed { pipe, side: other });
        }
    }

    /// Breaks a connection in the middle: what is under way is lost.
    pub fn reset_pipe(&mut self, pipe: usize) {
        for side in [0, 1] {
            self.pipes[pipe].kept[side].clear();
            let end = std::mem::replace(&mut self.pipes[pipe].ends[side], End::Gone);
            self.lose(end);
        }
    }

    pub(super) fn lose(&mut self, end: End) {
        let now = self.now();
        match end {
            End::Machine { machine, epoch, conn } => {
                let target = &mut self.machines[machine];
                if target.epoch == epoch && target.conns.remove(&conn).is_some() {
                    if let Some(node) = &mut target.node {
                        node.eof(now, conn);
                    }
                    self.settle(machine);
                }
            }
            End::Client(client) => self.client_lost(client),
            End::Gone => {}
        }
    }

    pub fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&(a.min(b), a.max(b)))
    }

    /// When something sent now arrives at an end.
    fn arrival(&mut self, pipe: usize, side: usize) -> u64 {
        let delay = self.rng.u64(50..2_000);
        let at = (self.now_us + delay).max(self.pipes[pipe].not_before[side]);
        self.pipes[pipe].not_before[side] = at + 1;
        at
    }

    /// Sends bytes towards an end.
    pub fn send(&mut self, pipe: usize, side: usize, bytes: Vec<u8>) {
        self.pipes[pipe].in_flight[side] += bytes.len();
        let at = self.arrival(pipe, side);
        self.schedule_at(at, Event::Deliver { pipe, side, bytes });
    }

    /// Opens a client's connection to a machine; `None` if nobody listens there.
    pub fn connect_client(&mut self, client: usize, machine: usize) -> Option<usize> {
        let now = self.now();
        let pipe = self.pipes.len();
        let node = self.machines[machine].node.as_mut()?;
        let peer = Peer { addr: format!("10.0.1.{client}:{pipe}"), ..Peer::default() };
        let conn = node.accept(now, peer).ok()?;
        let epoch = self.machines[machine].epoch;
        self.pipes.push(Pipe::new([End::Client(client), End::Machine { machine, epoch, conn }]));
        self.machines[machine].conns.insert(conn, (pipe, 1));
        Some(pipe)
    }

    /// Closes a client's own connection.
    pub fn close_from(&mut self, pipe: usize, side: usize) {
        self.hang_up(pipe, side);
    }

    pub(super) fn deliver(&mut self, pipe: usize, side: usize, bytes: Vec<u8>) -> Option<usize> {
        if let Some((a, b)) = self.pipes[pipe].machines()
            && self.is_cut(a, b)
        {
            // The bytes wait in the sender's kernel until the link heals. An empty piece is the look whether it has.
            let is_look = bytes.is_empty();
            if !is_look {
                self.pipes[pipe].kept[side].push(bytes);
            }
            if is_look || !std::mem::replace(&mut self.pipes[pipe].looking[side], true) {
                self.schedule(100_000, Event::Deliver { pipe, side, bytes: Vec::new() });
            }
            return None;
        }
        self.pipes[pipe].looking[side] = false;
        if self.pipes[pipe].paused[side] {
            self.pipes[pipe].kept[side].push(bytes);
            return None;
        }
        let mut all = std::mem::take(&mut self.pipes[pipe].kept[side]);
        all.push(bytes);
        let now = self.now();
        let mut concerned = None;
        for bytes in all {
            self.pipes[pipe].in_flight[side] -= bytes.len();
            match self.pipes[pipe].ends[side] {
                End::Machine { machine, epoch, conn } => {
                    let target = &mut self.machines[machine];
                    if target.epoch == epoch && target.conns.contains_key(&conn) {
                        if let Some(node) = &mut target.node
                            && !bytes.is_empty()
                        {
                            node.input(now, conn, &bytes);
                        }
                        self.settle(machine);
                        concerned = Some(machine);
                    }
                }
                End::Client(client) => self.client_input(client, pipe, &bytes),
                End::Gone => {}
            }
        }
        // There is room again for whoever sends in this direction.
        if std::mem::take(&mut self.pipes[pipe].blocked[side])
            && let End::Machine { machine, epoch, conn } = self.pipes[pipe].ends[1 - side]
            && self.machines[machine].epoch == epoch
        {
            self.flush(machine, conn);
            self.settle(machine);
        }
        concerned
    }

    pub(super) fn connect_machines(&mut self, machine: usize, epoch: u64, conn: ConnId, target: usize) {
        let now = self.now();
        if self.machines[machine].epoch != epoch {
            return;
        }
        let reachable = target < self.machines.len() && !self.is_cut(machine, target);
        let pipe = self.pipes.len();
        let accepted = match self.machines.get_mut(target).and_then(|machine| machine.node.as_mut()) {
            Some(node) if reachable => {
                let peer = Peer { addr: format!("{}:{pipe}", Machine::address(machine)), ..Peer::default() };
                node.accept(now, peer).ok()
            }
            _ => None,
        };
        if let Some(theirs) = accepted {
            let other = self.machines[target].epoch;
            self.pipes.push(Pipe::new([
                End::Machine { machine, epoch, conn },
                End::Machine { machine: target, epoch: other, conn: theirs },
            ]));
            self.machines[target].conns.insert(theirs, (pipe, 1));
            self.machines[machine].conns.insert(conn, (pipe, 0));
        }
        let result = match accepted {
            Some(_) => Ok(Peer::default()),
            None => Err("Connection refused".to_owned()),
        };
        if let Some(node) = &mut self.machines[machine].node {
            node.connected(now, conn, result);
        }
        self.settle(machine);
    }
}
