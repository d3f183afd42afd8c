use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Push(End, Vec<u8>),
    Fill(End, usize, u8),
    Pop(End, usize),
    Insert(usize, Vec<u8>),
    Set(usize, Vec<u8>),
    Remove(usize, usize),
    Trim(usize, usize),
    RemoveEqual(Vec<u8>, End, usize),
    Freeze,
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[a-b]{3}".prop_map(String::into_bytes),
        2 => "[0-2]{3}|-?[0-9]{0,12}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..80),
        1 => (2000usize..10_000, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Front), Just(End::Back)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (end(), element()).prop_map(|(end, text)| Step::Push(end, text)),
        4 => (end(), 1usize..1500, 0u8..8).prop_map(|(end, count, kind)| Step::Fill(end, count, kind)),
        2 => (end(), 1usize..800).prop_map(|(end, count)| Step::Pop(end, count)),
        3 => (any::<usize>(), element()).prop_map(|(at, text)| Step::Insert(at, text)),
        3 => (any::<usize>(), element()).prop_map(|(at, text)| Step::Set(at, text)),
        2 => (any::<usize>(), 0usize..2000).prop_map(|(at, len)| Step::Remove(at, len)),
        1 => (0usize..100, 0usize..100).prop_map(|(front, back)| Step::Trim(front, back)),
        2 => (element(), end(), 1usize..300).prop_map(|(text, end, limit)| Step::RemoveEqual(text, end, limit)),
        2 => Just(Step::Freeze),
    ]
}

/// Element number `number` of a kind: of one length, or of several, or numbers.
fn filling(kind: u8, number: usize) -> Vec<u8> {
    match kind {
        0..3 => format!("{number:016}:"),
        3 => ["aaa", "bab"][number % 2].into(),
        4 => number.to_string(),
        5 => "x".repeat(number % 40),
        6 => format!("{:0width$}", number % 7, width = 100 + number % 3),
        _ => ["x", "1"][usize::from(number.is_multiple_of(5))].into(),
    }
    .into_bytes()
}

type Model = VecDeque<Vec<u8>>;

fn texts<'a>(elements: impl Iterator<Item = Entry<'a>>) -> Vec<Vec<u8>> {
    elements.map(Entry::to_vec).collect()
}

fn check(list: &List, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(list.len(), model.len());
    prop_assert_eq!(list.is_empty(), model.is_empty());
    prop_assert!(list.iter().zip(model).all(|(own, text)| own.is(text)));
    let backward = list.range(0..model.len(), End::Back);
    prop_assert_eq!(backward.clone().count(), model.len());
    prop_assert!(backward.zip(model.iter().rev()).all(|(own, text)| own.is(text)));
    let bytes = model.iter().map(|text| listpack::linked::Encoded::new(Entry::from_text(text)).len()).sum();
    prop_assert_eq!(list.listpack_bytes(usize::MAX), Some(bytes));
    Ok(())
}

fn apply(step: &Step, list: &mut List, model: &mut Model) -> Result<(), TestCaseError> {
    let push = |list: &mut List, model: &mut Model, end, text: Vec<u8>| {
        list.push(end, Entry::Str(&text));
        match end {
            End::Front => model.push_front(text),
            End::Back => model.push_back(text),
        }
    };
    match step {
        Step::Push(end, text) => push(list, model, *end, text.clone()),
        Step::Fill(end, count, kind) => {
            (0..*count).for_each(|number| push(list, model, *end, filling(*kind, number)));
        }
        Step::Pop(end, count) => {
            for _ in 0..*count {
                let expected = match end {
                    End::Front => model.pop_front(),
                    End::Back => model.pop_back(),
                };
                prop_assert_eq!(list.pop(*end, |element| element.to_vec()), expected);
            }
        }
        Step::Insert(at, text) => {
            let at = at % (model.len() + 2);
            prop_assert_eq!(list.insert(at, Entry::from_text(text)), at <= model.len());
            if at <= model.len() {
                model.insert(at, text.clone());
            }
        }
        Step::Set(at, text) => {
            let at = at % (model.len() + 1);
            prop_assert_eq!(list.set(at, Entry::Str(text)), at < model.len());
            if let Some(own) = model.get_mut(at) {
                own.clone_from(text);
            }
        }
        Step::Remove(at, len) => {
            let at = at % (model.len() + 1);
            list.remove(at..at + len);
            model.drain(at..(at + len).min(model.len()));
        }
        Step::Trim(front, back) => {
            let front = (*front).min(model.len());
            list.remove(0..front);
            model.drain(..front);
            let back = model.len().saturating_sub(*back);
            list.remove(back..usize::MAX);
            model.truncate(back);
        }
        Step::RemoveEqual(text, from, limit) => {
            let mut found: Vec<usize> = (0..model.len()).filter(|&index| model[index] == *text).collect();
            if *from == End::Back {
                found.reverse();
            }
            let mut own = Vec::new();
            list.find_each(0..model.len(), text, *from, |index| {
                own.push(index);
                true
            });
            prop_assert_eq!(&own, &found);
            found.truncate(*limit);
            prop_assert_eq!(list.remove_equal(text, *from, *limit), found.len());
            found.sort_unstable();
            found.into_iter().rev().for_each(|index| _ = model.remove(index));
        }
        Step::Freeze => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_a_deque(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut list, mut model) = (List::new(), Model::new());
        let mut frozen = Vec::new();
        for step in &steps {
            apply(step, &mut list, &mut model)?;
            check(&list, &model)?;
            if matches!(step, Step::Freeze) {
                frozen.push((list.clone(), model.clone()));
            }
        }
        for (list, model) in &frozen {
            check(list, model)?;
        }
        let again: List = model.iter().map(|text| Entry::Str(text)).collect();
        prop_assert_eq!(&again, &list);
        prop_assert!(model.is_empty() || again != List::new());
    }

    #[test]
    fn ranges_from_both_ends(from in 0usize..3100, len in 0usize..3100, mixed: bool) {
        let text = |number: usize| filling(if mixed { 5 } else { 0 }, number);
        let list: List = (0..3000).map(text).collect::<Vec<_>>().iter().map(|text| Entry::Str(text)).collect();
        let expected: Vec<_> = (from.min(3000)..(from + len).min(3000)).map(text).collect();
        prop_assert_eq!(&texts(list.range(from..from + len, End::Front)), &expected);
        let mut backward = texts(list.range(from..from + len, End::Back));
        backward.reverse();
        prop_assert_eq!(&backward, &expected);
        prop_assert_eq!(list.get(from).map(Entry::to_vec), (from < 3000).then(|| text(from)));
    }
}

#[test]
fn a_million_elements_of_sixteen_bytes() {
    for end in [End::Front, End::Back] {
        let mut list = List::new();
        for number in 0..1_000_000 {
            list.push(end, Entry::from(format!("element:{number:08}").as_str()));
        }
        let bytes = list.heap_bytes() as f64 / list.len() as f64;
        assert!(bytes < 16.3, "{bytes} bytes an element");
    }
}

#[test]
fn a_queue_keeps_little_memory() {
    let mut list = List::new();
    for number in 0..100_000 {
        list.push(End::Front, Entry::from(format!("element:{number:08}").as_str()));
        if number >= 1000 {
            list.pop(End::Back, |element| {
                assert!(element.is(format!("element:{:08}", number - 1000).as_bytes()))
            });
        }
    }
    assert_eq!(list.len(), 1000);
    assert!(list.heap_bytes() < 40_000, "{}", list.heap_bytes());
    list.remove(10..usize::MAX);
    assert!(list.heap_bytes() < 1000, "{}", list.heap_bytes());
}

#[test]
fn long_elements_between_short_ones() {
    let long = vec![b'x'; 1 << 20];
    let mut list: List = ["a", "b", "c"].map(Entry::from).into_iter().collect();
    list.insert(1, Entry::Str(&long));
    list.set(2, Entry::Str(&long));
    list.insert(2, Entry::Str(b"between"));
    list.push(End::Front, Entry::Str(&long));
    let expected = [&long[..], b"a", &long, b"between", &long, b"c"];
    assert_eq!(texts(list.iter()), expected);
    assert!(list.heap_bytes() < (3 << 20) + 2000, "{}", list.heap_bytes());
    assert_eq!(list.remove_equal(&long, End::Back, 2), 2);
    assert_eq!(texts(list.iter()), [&long[..], b"a", b"between", b"c"]);
}
