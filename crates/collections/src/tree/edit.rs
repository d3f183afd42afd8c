//! How a change of one leaf is carried through: down to it, copying what is shared, and up again, repairing the nodes above.

use triomphe::Arc;

use super::node::{Follower, Inner, Node, Totals};
use super::{Leaf, Tree};

/// What has become of a node.
struct Outcome<L: Leaf> {
    /// By how much the node's own weight changed; what was split off it is not counted.
    grown: i64,
    /// What was split off it, in order.
    followers: Vec<Follower<L>>,
    /// It has fewer elements or children than before.
    shrunk: bool,
    /// Nothing is left in it: it is to be removed.
    empty: bool,
}

impl<L: Leaf> Tree<L> {
    /// Changes one leaf: `pick` chooses the child to go on with at each inner node. What `change` pushes on the vector it is given
    /// comes to stand behind the leaf.
    pub(super) fn edit<R>(
        &mut self,
        pick: &mut impl FnMut(&Inner<L>) -> usize,
        change: impl FnOnce(&mut Arc<L>, &mut Vec<Arc<L>>) -> R,
    ) -> R {
        let root = self.root.get_or_insert_with(|| {
            let leaf = L::default();
            self.totals.leaves = 1;
            self.totals.exchange_bytes(0, leaf.heap_bytes());
            Node::Leaf(Arc::new(leaf))
        });
        let (result, outcome) = root.edit(pick, change, &mut self.totals);
        let own = self.weight.wrapping_add_signed(outcome.grown);
        self.weight = own + outcome.followers.iter().map(|(_, _, weight)| weight).sum::<u64>();
        if !outcome.followers.is_empty() {
            self.raise(own, outcome.followers);
        } else if outcome.empty {
            self.root = None;
        } else if outcome.shrunk {
            self.lower();
        }
        result
    }

    /// Puts nodes above the root, which was split, until they come together in one.
    #[cold]
    fn raise(&mut self, mut weight: u64, mut followers: Vec<Follower<L>>) {
        while !followers.is_empty()
            && let Some(root) = self.root.take()
        {
            let mut inner = Inner::above(root, weight, followers);
            followers = inner.split();
            self.totals.inners += 1 + followers.len();
            weight = inner.weights.iter().sum();
            self.root = Some(Node::Inner(Arc::new(inner)));
        }
    }

    /// An inner node with a single child is none to stand at the top.
    fn lower(&mut self) {
        while let Some(Node::Inner(inner)) = &self.root
            && let [only] = &inner.children[..]
        {
            self.totals.inners -= 1;
            self.root = Some(only.clone());
        }
    }
}

impl<L: Leaf> Node<L> {
    fn edit<R>(
        &mut self,
        pick: &mut impl FnMut(&Inner<L>) -> usize,
        change: impl FnOnce(&mut Arc<L>, &mut Vec<Arc<L>>) -> R,
        totals: &mut Totals,
    ) -> (R, Outcome<L>) {
        match self {
            Self::Leaf(leaf) => edit_leaf(leaf, change, totals),
            Self::Inner(inner) => {
                let inner = crate::left_behind::make_mut(inner, Inner::bytes);
                let child = pick(inner);
                let (result, outcome) = inner.children[child].edit(pick, change, totals);
                (result, inner.settle(child, outcome, totals))
            }
        }
    }
}

fn edit_leaf<L: Leaf, R>(
    leaf: &mut Arc<L>,
    change: impl FnOnce(&mut Arc<L>, &mut Vec<Arc<L>>) -> R,
    totals: &mut Totals,
) -> (R, Outcome<L>) {
    let (weight, bytes) = (leaf.weight(), leaf.heap_bytes());
    let mut more = Vec::new();
    let result = change(leaf, &mut more);
    let followers =
        if more.is_empty() && !leaf.is_overfull() { Vec::new() } else { spread(leaf, more, totals) };
    let now = leaf.weight();
    let empty = now == 0;
    totals.exchange_bytes(bytes, if empty { 0 } else { leaf.heap_bytes() });
    totals.leaves -= usize::from(empty);
    (result, Outcome { grown: now.wrapping_sub(weight) as i64, followers, shrunk: now < weight, empty })
}

/// Makes of a leaf and those that have come to stand behind it leaves of the right size. The first of them is left in `leaf`; that
/// is empty only if all are.
#[cold]
fn spread<L: Leaf>(leaf: &mut Arc<L>, mut behind: Vec<Arc<L>>, totals: &mut Totals) -> Vec<Follower<L>> {
    behind.reverse();
    behind.push(leaf.clone());
    *leaf = Arc::new(L::default());
    let mut spread: Vec<Arc<L>> = Vec::new();
    while let Some(mut next) = behind.pop() {
        while next.is_overfull() {
            behind.push(Arc::new(Arc::make_mut(&mut next).split()));
        }
        if next.weight() > 0 {
            spread.push(next);
        }
    }
    let mut last: Option<Arc<L>> = None;
    let mut followers = Vec::with_capacity(spread.len());
    for next in spread {
        match &last {
            None => *leaf = next.clone(),
            Some(last) => {
                totals.leaves += 1;
                totals.exchange_bytes(0, next.heap_bytes());
                followers.push((last.separator(&next), Node::Leaf(next.clone()), next.weight()));
            }
        }
        last = Some(next);
    }
    followers
}

impl<L: Leaf> Inner<L> {
    /// Takes in what has become of a child.
    #[inline]
    fn settle(&mut self, child: usize, outcome: Outcome<L>, totals: &mut Totals) -> Outcome<L> {
        self.weights[child] = self.weights[child].wrapping_add_signed(outcome.grown);
        if outcome.followers.is_empty() && !outcome.shrunk {
            return outcome;
        }
        self.rebuild(child, outcome, totals)
    }

    fn rebuild(&mut self, child: usize, outcome: Outcome<L>, totals: &mut Totals) -> Outcome<L> {
        let children = self.children.len();
        let mut grown = outcome.grown;
        if outcome.empty {
            self.remove(child);
        } else if !outcome.followers.is_empty() {
            grown += outcome.followers.iter().map(|(_, _, weight)| *weight as i64).sum::<i64>();
            self.insert_after(child, outcome.followers);
        } else {
            self.tidy(child, totals);
        }
        let followers = self.split();
        grown -= followers.iter().map(|(_, _, weight)| *weight as i64).sum::<i64>();
        totals.inners += followers.len();
        let empty = self.children.is_empty();
        totals.inners -= usize::from(empty);
        Outcome { grown, followers, shrunk: self.children.len() < children, empty }
    }
}
