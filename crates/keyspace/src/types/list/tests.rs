use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::{Entry, FrozenKeyspace, Keyspace};

const KEY: &[u8] = b"list";

fn limits(list_max_listpack_size: i32) -> Limits {
    Limits { list_max_listpack_size, ..Limits::default() }
}

#[derive(Clone, Debug)]
enum Step {
    Push(End, Vec<Vec<u8>>),
    Pop(End, usize),
    Remove(usize, usize),
    RemoveEqual(Vec<u8>, End, usize),
    Set(usize, Vec<u8>),
    InsertBeside(Vec<u8>, bool, Vec<u8>),
    Rebuild,
    Freeze,
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-c]{2}|[0-9]{1,2}".prop_map(String::into_bytes),
        2 => "-?[0-9]{0,20}|[a-z]{0,150}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..400),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let end = || prop_oneof![Just(End::Front), Just(End::Back)];
    prop_oneof![
        6 => (end(), proptest::collection::vec(text(), 1..30)).prop_map(|(end, texts)| Step::Push(end, texts)),
        4 => (end(), 1usize..30).prop_map(|(end, count)| Step::Pop(end, count)),
        2 => (any::<usize>(), 1usize..80).prop_map(|(at, len)| Step::Remove(at, len)),
        2 => (text(), end(), 1usize..5).prop_map(|(text, end, limit)| Step::RemoveEqual(text, end, limit)),
        3 => (any::<usize>(), text()).prop_map(|(at, text)| Step::Set(at, text)),
        3 => (text(), any::<bool>(), text()).prop_map(|(pivot, behind, text)| Step::InsertBeside(pivot, behind, text)),
        1 => Just(Step::Rebuild),
        2 => Just(Step::Freeze),
    ]
}

type Model = VecDeque<Vec<u8>>;

fn positions(model: &Model, text: &[u8], from: End, limit: usize) -> Vec<usize> {
    let mut found: Vec<usize> = (0..model.len()).filter(|&index| model[index] == text).collect();
    if from == End::Back {
        found.reverse();
    }
    found.truncate(limit);
    found
}

fn apply(
    step: &Step,
    list: &mut ListMut<'_, '_>,
    model: &mut Model,
    limits: &Limits,
) -> Result<(), TestCaseError> {
    match step {
        Step::Push(end, texts) => {
            for text in texts {
                match end {
                    End::Front => model.push_front(text.clone()),
                    End::Back => model.push_back(text.clone()),
                }
            }
            prop_assert_eq!(list.push(*end, texts.iter().map(Vec::as_slice)), model.len());
        }
        Step::Pop(end, count) => {
            for _ in 0..*count {
                let expected = if *end == End::Front { model.pop_front() } else { model.pop_back() };
                prop_assert_eq!(list.pop(*end, |element| element.to_vec()), expected);
            }
        }
        Step::Remove(at, len) => {
            let at = at % (model.len() + 1);
            list.remove(at..at + len);
            model.drain(at..(at + len).min(model.len()));
        }
        Step::RemoveEqual(text, from, limit) => {
            let mut found = positions(model, text, *from, usize::MAX);
            let mut own = Vec::new();
            list.as_ref().find_each(0..model.len(), text, *from, |index| {
                own.push(index);
                true
            });
            prop_assert_eq!(&own, &found);
            found.truncate(*limit);
            prop_assert_eq!(list.remove_equal(text, *from, *limit), found.len());
            found.sort_unstable();
            found.into_iter().rev().for_each(|index| _ = model.remove(index));
        }
        Step::Set(at, text) => {
            let at = at % (model.len() + 1);
            prop_assert_eq!(list.set(at, text), at < model.len());
            if let Some(own) = model.get_mut(at) {
                own.clone_from(text);
            }
        }
        Step::InsertBeside(pivot, behind, text) => {
            let found = positions(model, pivot, End::Front, 1).pop();
            prop_assert_eq!(list.insert_beside(pivot, *behind, text), found.is_some());
            if let Some(at) = found {
                model.insert(at + usize::from(*behind), text.clone());
            }
        }
        Step::Rebuild => {
            let mut new = NewList::new();
            new.extend(model.iter().map(|text| Element::Str(text)));
            let list = list.as_ref().iter().map(Element::to_vec).collect::<Vec<_>>();
            prop_assert_eq!(new.into_value(limits).is_none(), list.is_empty());
        }
        Step::Freeze => {}
    }
    Ok(())
}

fn check(entry: &Entry<'_>, model: &Model) -> Result<(), TestCaseError> {
    let list = ListRef::of(entry).unwrap();
    prop_assert_eq!(list.len(), model.len());
    prop_assert!(list.iter().zip(model).all(|(own, text)| own.is(text)));
    let backward = list.range(0..usize::MAX, End::Back);
    prop_assert_eq!(backward.clone().count(), model.len());
    prop_assert!(backward.zip(model.iter().rev()).all(|(own, text)| own.is(text)));
    let middle = model.len() / 3..model.len() / 2;
    let part: Vec<_> = list.range(middle.clone(), End::Front).map(Element::to_vec).collect();
    prop_assert!(part.iter().eq(model.range(middle.clone())));
    prop_assert_eq!(list.get(middle.end).map(Element::to_vec), model.get(middle.end).cloned());
    let listpack: listpack::Listpack = {
        let mut pack = listpack::Listpack::new();
        model.iter().for_each(|text| pack.push_back(Element::Str(text)).unwrap());
        pack
    };
    prop_assert_eq!(list.listpack_bytes(), listpack.as_bytes().len());
    if let ListRef::Pack(pack) = list {
        prop_assert!(pack.as_bytes().len() <= PACK_MAX_BYTES);
    }
    Ok(())
}

proptest! {
    #[test]
    fn behaves_like_a_deque(
        size in prop_oneof![Just(-2), Just(-1), Just(0), 1i32..40],
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let limits = limits(size);
        let mut keyspace = Keyspace::new(1, 1);
        let mut model = Model::from([b"first".to_vec()]);
        let value = NewList::pushed(End::Back, model.iter().map(Vec::as_slice), &limits).unwrap();
        keyspace.db_mut(0).insert(KEY, value, None);
        let mut views: Vec<(FrozenKeyspace, Model)> = Vec::new();
        for step in &steps {
            let mut entry = keyspace.db_mut(0).get_mut(KEY).unwrap();
            apply(step, &mut ListMut::of(&mut entry, &limits).unwrap(), &mut model, &limits)?;
            check(&entry.as_entry(), &model)?;
            if matches!(step, Step::Freeze) {
                views.push((keyspace.freeze(), model.clone()));
            }
        }
        for (view, model) in &views {
            check(&view.db(0).get(KEY).unwrap(), model)?;
        }
    }
}

struct Tester {
    keyspace: Keyspace,
    limits: Limits,
}

impl Tester {
    fn new(size: i32, texts: &[&[u8]]) -> Self {
        let limits = limits(size);
        let mut keyspace = Keyspace::new(1, 1);
        let value = NewList::pushed(End::Back, texts.iter().copied(), &limits).unwrap();
        keyspace.db_mut(0).insert(KEY, value, None);
        Tester { keyspace, limits }
    }

    /// What OBJECT ENCODING says after a change.
    fn after(&mut self, change: impl FnOnce(&mut ListMut<'_, '_>)) -> &'static str {
        let mut entry = self.keyspace.db_mut(0).get_mut(KEY).unwrap();
        change(&mut ListMut::of(&mut entry, &self.limits).unwrap());
        entry.as_entry().encoding()
    }
}

#[test]
fn encodings_by_count() {
    let mut list = Tester::new(3, &[b"a", b"b", b"c"]);
    assert_eq!(list.after(|_| {}), "listpack");
    assert_eq!(list.after(|list| _ = list.push(End::Front, [&b"d"[..]].into_iter())), "quicklist");
    assert_eq!(list.after(|list| list.remove(0..2)), "quicklist", "more than half of the limit");
    assert_eq!(list.after(|list| list.remove(0..1)), "listpack");
    assert_eq!(list.after(|list| _ = list.push(End::Back, [&b"x"[..]; 3].into_iter())), "quicklist");
    assert_eq!(Tester::new(3, &[&b"a"[..]; 4]).after(|_| {}), "quicklist");
    let mut new = NewList::new();
    new.extend([Element::Int(1); 3]);
    assert!(matches!(new.into_value(&limits(3)), Some(Value::Bytes(Layout::ListPack, _))));
}

#[test]
fn encodings_by_bytes() {
    let text = [b'x'; 100];
    let mut list = Tester::new(-1, &[&text[..]; 38]);
    // 38 times 103, and 7, are 3921.
    assert_eq!(list.after(|_| {}), "listpack");
    assert_eq!(list.after(|list| _ = list.push(End::Back, [&text[..]].into_iter())), "listpack");
    assert_eq!(list.after(|list| _ = list.push(End::Back, [&text[..]].into_iter())), "quicklist");
    assert_eq!(list.after(|list| list.remove(0..20)), "quicklist");
    assert_eq!(list.after(|list| _ = list.pop(End::Back, |_| ())), "listpack");
    // Of a list that is built it is known what it takes; of one that grows, only what the texts are.
    let mut new = NewList::new();
    new.extend([Element::Str(&text); 40]);
    assert!(
        matches!(new.into_value(&limits(-1)), Some(Value::Object(Object::List(list))) if list.is_quicklist())
    );
    let grown = Tester::new(-1, &[&text[..]; 40]).after(|_| {});
    assert_eq!(grown, "listpack");
}

#[test]
fn a_write_after_a_view_copies_a_node() {
    let texts: Vec<Vec<u8>> =
        (0..100_000).map(|number| format!("element:{number:08}").into_bytes()).collect();
    let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let mut list = Tester::new(-2, &texts);
    let view = list.keyspace.freeze();
    assert_eq!(list.after(|list| assert!(list.set(50_000, b"another"))), "quicklist");
    let entry = view.db(0).get(KEY).unwrap();
    let old = ListRef::of(&entry).unwrap();
    assert!(old.get(50_000).unwrap().is(texts[50_000]));
    assert!(
        list.keyspace
            .db(0)
            .get(KEY)
            .and_then(|entry| ListRef::of(&entry))
            .unwrap()
            .get(50_000)
            .unwrap()
            .is(b"another")
    );
}
