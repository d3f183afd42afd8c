use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Push(bool, Vec<u8>),
    Insert(usize, Vec<u8>),
    Set(usize, Vec<u8>),
    Remove(usize, usize),
    RemoveEqual(Vec<u8>, bool, usize),
    SplitAndJoin(usize),
    Clone,
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-b]{3}".prop_map(String::into_bytes),
        1 => "[0-2]{3}".prop_map(String::into_bytes),
        1 => "-?[0-9]{0,12}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..80),
    ]
}

/// Often elements of one form, so that runs stay uniform for a while.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = |element: BoxedStrategy<Vec<u8>>| {
        prop_oneof![
            6 => (any::<bool>(), element.clone()).prop_map(|(front, text)| Step::Push(front, text)),
            2 => (any::<usize>(), element.clone()).prop_map(|(at, text)| Step::Insert(at, text)),
            2 => (any::<usize>(), element.clone()).prop_map(|(at, text)| Step::Set(at, text)),
            1 => (any::<usize>(), 0usize..5).prop_map(|(at, len)| Step::Remove(at, len)),
            1 => (element, any::<bool>(), 1usize..4).prop_map(|(text, front, limit)| Step::RemoveEqual(text, front, limit)),
            1 => any::<usize>().prop_map(Step::SplitAndJoin),
            1 => Just(Step::Clone),
        ]
    };
    let uniform = proptest::collection::vec(step("[a-b0]{2}".prop_map(String::into_bytes).boxed()), 0..100);
    let mixed = proptest::collection::vec(step(element().boxed()), 0..30);
    (uniform, mixed).prop_map(|(mut uniform, mixed)| {
        uniform.extend(mixed);
        uniform
    })
}

fn texts(node: &Node) -> Vec<Vec<u8>> {
    node.stretch(0..node.len()).map(Entry::to_vec).collect()
}

/// The least positions at which the model has `text`, from one end.
fn positions(model: &[Vec<u8>], text: &[u8], front: bool) -> Vec<usize> {
    let mut found: Vec<usize> = (0..model.len()).filter(|&index| model[index] == text).collect();
    if !front {
        found.reverse();
    }
    found
}

fn check(node: &Node, model: &[Vec<u8>]) -> Result<(), TestCaseError> {
    prop_assert_eq!(&texts(node), model);
    let listpack: usize = model.iter().map(|text| linked::Encoded::new(Entry::from_text(text)).len()).sum();
    prop_assert_eq!(node.listpack_bytes(), listpack);
    if let (Node::Run(run), Stretch::Packed(_)) = (node, node.stretch(0..0)) {
        prop_assert_eq!(run.bytes(), listpack);
    }
    let mut backward: Vec<_> = node.stretch(0..model.len()).rev().map(Entry::to_vec).collect();
    backward.reverse();
    prop_assert_eq!(&backward, model);
    for from in 0..model.len().min(10) {
        for to in [from, model.len().div_ceil(2).max(from), model.len()] {
            let part: Vec<_> = node.stretch(from..to).map(Entry::to_vec).collect();
            prop_assert_eq!(&part, &model[from..to]);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn behaves_like_a_vector(first in element(), steps in steps()) {
        let (mut node, mut model) = (Node::of(Entry::Str(&first), End::Back), vec![first]);
        let mut clones = Vec::new();
        for step in steps {
            match step {
                Step::Push(front, text) => {
                    let (end, at) = if front { (End::Front, 0) } else { (End::Back, model.len()) };
                    prop_assert!(node.push(end, Entry::Str(&text)), "so few always fit");
                    model.insert(at, text);
                }
                Step::Insert(at, text) => {
                    let at = at % (model.len() + 1);
                    prop_assert!(node.insert(at, Entry::from_text(&text)));
                    model.insert(at, text);
                }
                Step::Set(at, text) if !model.is_empty() => {
                    let at = at % model.len();
                    prop_assert!(node.set(at, Entry::Str(&text)));
                    model[at] = text;
                }
                Step::Remove(at, len) if !model.is_empty() => {
                    let at = at % model.len();
                    let range = at..(at + len).min(model.len());
                    node.remove(range.clone());
                    model.drain(range);
                }
                Step::RemoveEqual(text, front, limit) => {
                    let from = if front { End::Front } else { End::Back };
                    let mut found = positions(&model, &text, front);
                    let mut own = Vec::new();
                    node.positions(0..model.len(), Needle::new(&text), from, |index| { own.push(index); true });
                    prop_assert_eq!(&own, &found);
                    found.truncate(limit);
                    prop_assert_eq!(node.remove_equal(Needle::new(&text), from, limit), found.len());
                    found.sort_unstable();
                    found.iter().rev().for_each(|&index| _ = model.remove(index));
                }
                Step::SplitAndJoin(at) => {
                    let at = at % (model.len() + 1);
                    let second = node.split_off(at);
                    prop_assert_eq!(&texts(&node), &model[..at]);
                    prop_assert_eq!(&texts(&second), &model[at..]);
                    prop_assert!(node.absorb(&second));
                }
                Step::Clone => clones.push((node.clone(), model.clone())),
                Step::Set(..) | Step::Remove(..) => {}
            }
            check(&node, &model)?;
        }
        for (node, model) in clones {
            check(&node, &model)?;
        }
    }

    #[test]
    fn halves_are_of_about_the_same_size(texts in proptest::collection::vec("[a-z]{0,2048}", 2..40)) {
        let mut first = Node::of(Entry::Str(b"x"), End::Front);
        texts.iter().for_each(|text| _ = first.insert(first.len(), Entry::from(text.as_str())));
        let whole = first.listpack_bytes();
        let second = first.split();
        prop_assert_eq!(first.listpack_bytes() + second.listpack_bytes(), whole);
        prop_assert!(first.len() > 0 && second.len() > 0);
        prop_assert!(first.listpack_bytes().abs_diff(second.listpack_bytes()) <= 2 * LONE_BYTES + 20);
    }
}

/// How many of these elements, one after the other, a node takes at its end, and how many bytes it has then.
fn fill(texts: impl IntoIterator<Item = String>) -> (usize, Node) {
    let mut texts = texts.into_iter();
    let mut node = Node::of(Entry::from(texts.next().unwrap().as_str()), End::Back);
    for text in texts {
        if !node.push(End::Back, Entry::from(text.as_str())) {
            break;
        }
    }
    (node.len(), node)
}

#[test]
fn elements_of_one_length_cost_their_length() {
    let (count, node) = fill((0..).map(|number| format!("element:{number:08}")));
    assert_eq!((count, node.heap_bytes()), (NODE_BYTES / 16, NODE_BYTES));
    assert!(matches!(node.stretch(0..1), Stretch::Uniform { unit: 16, .. }));
    assert!(size_of::<Node>() <= 40);
}

#[test]
fn numbers_are_kept_as_numbers() {
    let (count, node) = fill((100_000..).map(|number| number.to_string()));
    // Three bytes, and two around them.
    assert_eq!((count, node.heap_bytes()), (NODE_BYTES / 5, NODE_BYTES));
    assert_eq!(node.stretch(7..8).next(), Some(Entry::Int(100_007)));
}

#[test]
fn an_element_of_another_length_turns_a_short_run_and_leaves_a_long_one() {
    let (_, mut node) = fill((0..100).map(|number| format!("element:{number:08}")));
    let mut long = fill((0..200).map(|number| format!("element:{number:08}"))).1;
    assert!(node.push(End::Front, Entry::Str(b"another")));
    assert!(matches!(node.stretch(0..1), Stretch::Packed(_)));
    assert!(!long.push(End::Front, Entry::Str(b"another")));
    assert!(matches!(long.stretch(0..1), Stretch::Uniform { .. }));
}

#[test]
fn whatever_a_full_run_turns_into_two_nodes_hold() {
    for unit in 1..=64 {
        let (_, mut node) = fill(std::iter::repeat_with(|| "x".repeat(unit)));
        node.insert(node.len() / 2, Entry::Str(&[b'y'; LONE_BYTES]));
        assert!(node.is_overfull());
        let second = node.split();
        assert!(!node.is_overfull() && !second.is_overfull(), "{unit}");
    }
}

#[test]
fn a_long_element_stays_alone() {
    let long = [b'x'; LONE_BYTES + 1];
    let mut node = Node::of(Entry::Str(&long), End::Front);
    assert!(!node.push(End::Back, Entry::Str(b"y")));
    assert!(!mixes(Entry::Str(&long)));
    assert_eq!(texts(&node), [long]);
    assert!(node.clone().set(0, Entry::Str(b"y")));
    assert_eq!(node.remove_equal(Needle::new(&long), End::Back, 3), 1);
    assert_eq!(node.len(), 0);
}
