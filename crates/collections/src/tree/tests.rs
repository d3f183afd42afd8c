//! Trees against vectors.

use proptest::prelude::*;

use super::node::Totals;
use super::*;

/// Elements of a byte or two each; a block may have six, or ten bytes. Small, so that a few hundred operations make a deep tree.
#[derive(Clone, Default)]
struct Block(Vec<u16>);

fn bytes(block: &[u16]) -> usize {
    block.iter().map(|element| if *element < 256 { 1 } else { 2 }).sum()
}

impl Leaf for Block {
    type Key = u16;

    fn weight(&self) -> u64 {
        self.0.len() as u64
    }

    fn separator(&self, next: &Self) -> u16 {
        assert!(!self.0.is_empty(), "separators are between elements");
        next.0[0]
    }

    fn is_overfull(&self) -> bool {
        self.0.len() > 6 || (bytes(&self.0) > 10)
    }

    fn is_underfull(&self) -> bool {
        bytes(&self.0) < 3
    }

    fn split(&mut self) -> Self {
        assert!(self.0.len() > 1);
        Self(self.0.split_off(self.0.len() / 2))
    }

    fn absorb(&mut self, next: &Self) -> bool {
        let united = [&self.0[..], &next.0[..]].concat();
        let fits = !Self(united.clone()).is_overfull();
        if fits {
            self.0 = united;
        }
        fits
    }

    fn heap_bytes(&self) -> usize {
        self.0.capacity() * 2
    }
}

/// Fails unless the tree holds just `model` and is built as it should be.
fn check(tree: &Tree<Block>, model: &[u16], sorted: bool) {
    assert_eq!(tree.weight(), model.len() as u64);
    assert_eq!(tree.is_empty(), model.is_empty());
    let mut counted = Totals::ZERO;
    let mut found = Vec::new();
    if let Some(root) = &tree.root {
        assert!(!matches!(root, Node::Inner(inner) if inner.children.len() < 2), "a root with one child");
        walk(root, &mut counted, &mut found, sorted);
    }
    assert_eq!(found, model);
    assert_eq!((counted.leaves, counted.inners), (tree.totals.leaves, tree.totals.inners));
    assert_eq!(counted.heap_bytes::<Block>(), tree.heap_bytes());
}

/// The depth of the node.
fn walk(node: &Node<Block>, counted: &mut Totals, found: &mut Vec<u16>, sorted: bool) -> usize {
    match node {
        Node::Leaf(leaf) => {
            assert!(!leaf.0.is_empty() && !leaf.is_overfull());
            counted.leaves += 1;
            counted.exchange_bytes(0, leaf.heap_bytes());
            found.extend_from_slice(&leaf.0);
            0
        }
        Node::Inner(inner) => {
            counted.inners += 1;
            assert_eq!(inner.keys.len() + 1, inner.children.len());
            assert_eq!(inner.weights.len(), inner.children.len());
            assert!(inner.children.len() <= node::MAX_CHILDREN);
            let mut depth = None;
            for (number, child) in inner.children.iter().enumerate() {
                let from = found.len();
                let below = walk(child, counted, found, sorted);
                assert_eq!(*depth.get_or_insert(below), below);
                assert_eq!(inner.weights[number], (found.len() - from) as u64);
                if sorted {
                    assert!(number == 0 || inner.keys[number - 1] <= found[from]);
                    assert!(inner.keys.get(number).is_none_or(|key| found[found.len() - 1] < *key));
                }
            }
            depth.unwrap() + 1
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u16),
    Remove(u16),
    RemoveRange(u16, u16),
    RemoveNth(u16),
    RemoveLeaf(u16),
    Freeze,
}

fn steps(insert: u32, remove: u32) -> impl Strategy<Value = Vec<Step>> {
    let number = || prop_oneof![0..300u16, 0..2000u16];
    let step = prop_oneof![
        insert => number().prop_map(Step::Insert),
        remove => number().prop_map(Step::Remove),
        remove => any::<u16>().prop_map(Step::RemoveNth),
        1 => (any::<u16>(), 1..60u16).prop_map(|(from, count)| Step::RemoveRange(from, count)),
        1 => any::<u16>().prop_map(Step::RemoveLeaf),
        1 => Just(Step::Freeze),
    ];
    proptest::collection::vec(step, 0..800)
}

fn remove_nth(tree: &mut Tree<Block>, rank: u64) -> u16 {
    tree.update_nth(rank, |leaf, offset| leaf.0.remove(offset as usize))
}

fn run(tree: &mut Tree<Block>, model: &mut Vec<u16>, steps: Vec<Step>) {
    let mut frozen = Vec::new();
    for step in steps {
        match step {
            Step::Insert(number) => {
                let added = tree.update(
                    |key| *key <= number,
                    |leaf| match leaf.0.binary_search(&number) {
                        Ok(_) => false,
                        Err(at) => {
                            leaf.0.insert(at, number);
                            true
                        }
                    },
                );
                assert_eq!(added, model.binary_search(&number).is_err());
                if let Err(at) = model.binary_search(&number) {
                    model.insert(at, number);
                }
            }
            Step::Remove(number) => {
                tree.update(|key| *key <= number, |leaf| leaf.0.retain(|own| *own != number));
                model.retain(|own| *own != number);
            }
            Step::RemoveNth(rank) if !model.is_empty() => {
                let rank = usize::from(rank) % model.len();
                assert_eq!(remove_nth(tree, rank as u64), model.remove(rank));
            }
            Step::RemoveRange(from, count) if !model.is_empty() => {
                let from = usize::from(from) % model.len();
                let to = (from + usize::from(count)).min(model.len());
                let mut left = to - from;
                while left > 0 {
                    left -= tree.update_nth(from as u64, |leaf, offset| {
                        let until = leaf.0.len().min(offset as usize + left);
                        leaf.0.drain(offset as usize..until).count()
                    });
                }
                model.drain(from..to);
            }
            Step::RemoveLeaf(rank) if !model.is_empty() => {
                let rank = usize::from(rank) % model.len();
                let (leaf, offset) = tree.nth(rank as u64).unwrap();
                let (from, count) = (rank - offset as usize, leaf.0.len());
                assert_eq!(tree.remove_leaf(rank as u64), count as u64);
                model.drain(from..from + count);
            }
            Step::Freeze => {
                check(tree, model, true);
                frozen.push((tree.clone(), model.clone()));
            }
            _ => {}
        }
    }
    check(tree, model, true);
    for (tree, model) in &frozen {
        check(tree, model, true);
    }
}

/// Every way to look at a tree.
fn look(tree: &Tree<Block>, model: &[u16]) {
    for (rank, number) in model.iter().enumerate() {
        let (leaf, offset) = tree.nth(rank as u64).unwrap();
        assert_eq!(leaf.0[offset as usize], *number);
        assert!(tree.find(|key| key <= number).unwrap().0.contains(number));
        let (leaf, before) = tree.locate(|key| key <= number).unwrap();
        assert_eq!(before as usize + leaf.0.binary_search(number).unwrap(), rank);
        let cursor = tree.cursor_at(|key| key <= number).unwrap();
        assert_eq!((&cursor.leaf().0, cursor.before()), (&leaf.0, before));
        let (cursor, offset) = tree.cursor_nth(rank as u64).unwrap();
        assert_eq!((&cursor.leaf().0, cursor.before()), (&leaf.0, before));
        assert_eq!((cursor.before() + offset) as usize, rank);
    }
    assert!(tree.nth(model.len() as u64).is_none());
    assert!(tree.cursor_nth(model.len() as u64).is_none());
    assert_eq!(tree.first().map(|leaf| leaf.0[0]), model.first().copied());
    assert_eq!(tree.last().map(|leaf| *leaf.0.last().unwrap()), model.last().copied());

    let mut forwards = Vec::new();
    let mut cursor = tree.cursor_first();
    if let Some(cursor) = &mut cursor {
        loop {
            assert_eq!(cursor.before(), forwards.len() as u64);
            forwards.extend_from_slice(&cursor.leaf().0);
            if !cursor.next_leaf() {
                break;
            }
        }
        assert!(!cursor.next_leaf());
        assert_eq!(cursor.leaf().0, tree.last().unwrap().0);
    }
    assert_eq!(forwards, model);
    let mut backwards: Vec<u16> = Vec::new();
    if let Some(cursor) = &mut tree.cursor_last() {
        loop {
            backwards.extend(cursor.leaf().0.iter().rev());
            assert_eq!(cursor.before(), (model.len() - backwards.len()) as u64);
            if !cursor.previous_leaf() {
                break;
            }
        }
        assert!(!cursor.previous_leaf());
    }
    backwards.reverse();
    assert_eq!(backwards, model);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sorted_blocks_against_a_vector(growing in steps(12, 1), mixed in steps(4, 2), shrinking in steps(1, 6)) {
        let (mut tree, mut model) = (Tree::new(), Vec::new());
        for steps in [growing, mixed, shrinking] {
            run(&mut tree, &mut model, steps);
            look(&tree, &model);
        }
        while !model.is_empty() {
            let rank = model.len() / 3;
            assert_eq!(remove_nth(&mut tree, rank as u64), model.remove(rank));
            if model.len() % 16 == 0 {
                check(&tree, &model, true);
            }
        }
        prop_assert_eq!(tree.heap_bytes(), 0);
    }

    #[test]
    fn blocks_by_number(steps in proptest::collection::vec((any::<u16>(), 0..9u8, proptest::collection::vec(0..400u16, 0..40)), 0..300)) {
        let (mut tree, mut model) = (Tree::<Block>::new(), Vec::new());
        let mut frozen = Vec::new();
        for (rank, what, mut numbers) in steps {
            match what {
                // Many at once, so that one update makes many leaves.
                0..4 => {
                    let rank = usize::from(rank) % (model.len() + 1);
                    tree.update_nth(rank as u64, |leaf, offset| drop(leaf.0.splice(offset as usize..offset as usize, numbers.iter().copied())));
                    model.splice(rank..rank, numbers);
                }
                4 => {
                    tree.update_first(|leaf| drop(leaf.0.splice(0..0, numbers.iter().copied())));
                    model.splice(0..0, numbers);
                }
                5 => {
                    tree.update_last(|leaf| leaf.0.extend_from_slice(&numbers));
                    model.extend(numbers);
                }
                6 => {
                    tree.push_first(Block(numbers.clone()));
                    model.splice(0..0, numbers);
                }
                7 => {
                    tree.push_last(Block(numbers.clone()));
                    model.append(&mut numbers);
                }
                _ => {
                    check(&tree, &model, false);
                    frozen.push((tree.clone(), model.clone()));
                }
            }
        }
        check(&tree, &model, false);
        for (tree, model) in frozen {
            check(&tree, &model, false);
        }
        while !model.is_empty() {
            let rank = model.len() - 1;
            prop_assert_eq!(remove_nth(&mut tree, rank as u64), model.remove(rank));
        }
        check(&tree, &model, false);
    }
}

#[test]
fn a_write_to_a_clone_copies_little() {
    let mut tree = Tree::<Block>::new();
    for number in 0..20_000 {
        tree.update_last(|leaf| leaf.0.push(number));
    }
    let frozen = tree.clone();
    tree.update(|key| *key <= 777, |leaf| leaf.0.retain(|number| *number != 777));
    let (mut own, mut theirs) = (tree.cursor_first().unwrap(), frozen.cursor_first().unwrap());
    let mut copied = 0;
    loop {
        copied += usize::from(!std::ptr::eq(own.leaf(), theirs.leaf()));
        if !(own.next_leaf() && theirs.next_leaf()) {
            break;
        }
    }
    assert_eq!(copied, 1);
    assert_eq!(frozen.weight(), 20_000);
}
