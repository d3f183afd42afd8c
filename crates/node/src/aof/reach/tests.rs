use super::*;
use aof::Span;

fn path(name: &str) -> Arc<Path> {
    Path::new("folder").join(name).into()
}

fn id(seed: u64) -> ReplicationId {
    ReplicationId::random(&mut fastrand::Rng::with_seed(seed))
}

fn named(seed: u64, offset: u64) -> Annotation {
    Annotation::History(History { id: id(seed), offset: Offset(offset), db: 0, unix_ms: 1 })
}

fn past(seed: u64, to: u64) -> Annotation {
    Annotation::Ancestor(PastHistory { id: id(seed), valid_to: Offset(to) })
}

fn span(offset: u64, len: u64) -> Annotation {
    Annotation::Span(Span { offset: Offset(offset), unix_ms: 1, len })
}

/// File, mark and end of where an offset is read.
fn place(reach: &Reach, from: u64) -> Option<(String, u64, u64, u64)> {
    let place = reach.place(Offset(from))?;
    assert!(place.mark.1 <= Offset(from) && Offset(from) < place.to);
    let name = place.path.file_name()?.to_str()?.to_owned();
    Some((name, place.mark.0, place.mark.1.0, place.to.0))
}

fn at(name: &str, position: u64, offset: u64, to: u64) -> Option<(String, u64, u64, u64)> {
    Some((name.to_owned(), position, offset, to))
}

#[test]
fn files_that_follow_one_another_are_one_run() {
    let mut reach = Reach::default();
    reach.begin_file(path("1"), Offset(100), 0);
    reach.written(Offset(300), 500);
    reach.begin_file(path("2"), Offset(300), 0);
    assert_eq!((reach.first(1000), reach.end()), (Some(Offset(100)), Some(Offset(300))));
    reach.written(Offset(350), 90);
    assert_eq!(place(&reach, 99), None);
    assert_eq!(place(&reach, 299), at("1", 0, 100, 300));
    assert_eq!(place(&reach, 300), at("2", 0, 300, 350));
    assert_eq!(place(&reach, 350), None);
    assert_eq!(reach.first(60), Some(Offset(290)), "the limit");
    // Where something is missing, everything before is of no use.
    reach.begin_file(path("3"), Offset(360), 0);
    assert_eq!(reach.first(1000), Some(Offset(360)));
    assert!(reach.uses("3") && !reach.uses("2"));
}

#[test]
fn places_are_remembered_at_a_distance() {
    let mut reach = Reach::default();
    reach.begin_file(path("1"), Offset(0), 10);
    for step in 1..=100 {
        reach.written(Offset(step * 100_000), 10 + step * 110_000);
    }
    let Some(place) = reach.place(Offset(5_000_000)) else { panic!() };
    assert!(place.mark.1 > Offset(3_000_000), "{place:?}");
    assert_eq!(place.mark.0, 10 + place.mark.1.0 / 10 * 11);
    assert!(reach.segments[0].marks.len() <= 11);
}

#[test]
fn what_is_taken_back_of_the_history_is_not_read_from_its_old_place() {
    let mut reach = Reach::default();
    reach.begin_file(path("1"), Offset(0), 0);
    reach.written(Offset(100), 120);
    reach.cut(Offset(90));
    reach.written(Offset(150), 200);
    assert_eq!(place(&reach, 89), at("1", 0, 0, 90));
    assert_eq!(place(&reach, 90), at("1", 120, 90, 150));
    reach.cut(Offset(90));
    assert_eq!(place(&reach, 89), at("1", 0, 0, 90));
    assert_eq!((place(&reach, 90), reach.end()), (None, Some(Offset(90))));
}

#[test]
fn what_is_damaged_is_given_up_with_everything_before_it() {
    let mut reach = Reach::default();
    for number in 0..3 {
        reach.begin_file(path(&number.to_string()), Offset(number * 100), 0);
        reach.written(Offset(number * 100 + 100), 120);
    }
    reach.damaged(Offset(120), "broken".to_owned());
    assert_eq!((reach.first(1000), reach.lost()), (Some(Offset(200)), Some("broken")));
    reach.damaged(Offset(250), "again".to_owned());
    assert_eq!(reach.first(1000), Some(Offset(300)), "and goes on from there");
    reach.written(Offset(400), 240);
    assert_eq!(place(&reach, 300), at("2", 120, 300, 400));
}

#[test]
fn the_oldest_files_are_let_go() {
    let filled = || {
        let mut reach = Reach::default();
        for number in 0..5 {
            reach.begin_file(path(&number.to_string()), Offset(number * 100), 0);
            reach.written(Offset(number * 100 + 100), 120);
        }
        reach
    };
    let first = |limit, present: &[&str]| {
        let mut reach = filled();
        reach.trim(limit, |path| !present.iter().any(|name| path.ends_with(name)));
        reach.segments[0].from().0
    };
    assert_eq!(first(10_000, &["3", "4"]), 0);
    assert_eq!(first(250, &["0", "1", "2", "3", "4"]), 200, "what lies further back than the limit");
    assert_eq!(first(300, &["3", "4"]), 200, "the border itself belongs to what follows");
    assert_eq!(first(359, &["4"]), 200, "files of before take more than the limit");
    assert_eq!(first(119, &["4"]), 400);
    assert_eq!(first(0, &["3", "4"]), 400, "the present one stays");
}

#[test]
fn lines_of_files_tell_the_same() {
    let mut reach = Reach::default();
    reach.load_file(path("1"), 500);
    reach.load_line(&named(1, 100), 25);
    reach.load_line(&past(9, 50), 100);
    reach.load_line(&span(100, 60), 200);
    reach.load_line(&span(180, 20), 300);
    reach.load_file(path("2"), 400);
    reach.load_line(&named(1, 200), 25);
    reach.load_line(&span(200, 50), 100);
    // A crash: the last span was not whole, and the history has another name since.
    reach.load_line(&named(2, 230), 200);
    reach.load_line(&past(1, 230), 250);
    reach.load_line(&span(230, 30), 300);
    reach.loaded(Offset(260), 390);
    assert_eq!(place(&reach, 100), at("1", 25, 100, 200));
    assert_eq!(place(&reach, 229), at("2", 25, 200, 230));
    assert_eq!(place(&reach, 230), at("2", 200, 230, 260));
    assert!(
        reach
            .segments
            .iter()
            .all(|segment| segment.size == if segment.path == path("1") { 500 } else { 390 })
    );
    reach.begin_file(path("2"), Offset(260), 390);
    reach.written(Offset(270), 450);
    assert_eq!(place(&reach, 265), at("2", 200, 230, 270));
}

#[test]
fn another_history_and_a_hole_are_beginnings() {
    let mut reach = Reach::default();
    let first = |reach: &Reach| reach.first(u64::MAX).map(|first| first.0);
    reach.load_file(path("1"), 500);
    reach.load_line(&named(1, 100), 25);
    reach.load_line(&span(100, 60), 200);
    reach.load_file(path("2"), 500);
    reach.load_line(&named(2, 160), 25);
    reach.load_line(&span(160, 10), 100);
    assert_eq!(first(&reach), Some(160), "nothing says that it comes from the first");
    reach.load_line(&named(3, 170), 200);
    reach.load_line(&past(2, 165), 250);
    reach.load_line(&span(170, 10), 300);
    assert_eq!(first(&reach), Some(170), "it has parted from it before");
    reach.load_line(&named(3, 190), 400);
    reach.load_line(&span(190, 10), 450);
    assert_eq!(first(&reach), Some(190), "something is missing");
    reach.load_file(path("3"), 500);
    reach.load_line(&span(200, 10), 0);
    assert_eq!(first(&reach), None, "a file that does not say what it holds");
    assert!(reach.lost().is_some());
    reach.load_failed("it cannot be read".to_owned());
    reach.load_file(path("4"), 500);
    reach.load_line(&named(3, 300), 0);
    reach.load_line(&span(300, 10), 100);
    reach.loaded(Offset(300), 300);
    assert_eq!(
        (first(&reach), reach.end(), reach.lost()),
        (Some(300), Some(Offset(300)), Some("it cannot be read"))
    );
}

#[test]
fn what_lacks_before_a_span_that_is_not_there_is_not_believed() {
    let first = |lines: &[(Annotation, u64)], end: u64| {
        let mut reach = Reach::default();
        reach.load_file(path("1"), 500);
        lines.iter().for_each(|(line, at)| reach.load_line(line, *at));
        reach.loaded(Offset(end), 400);
        (reach.first(u64::MAX).map(|first| first.0), reach.end().map(|end| end.0))
    };
    let begin = [(named(1, 100), 0), (span(100, 50), 100)];
    let cut = [begin[0], begin[1], (span(180, 20), 200)];
    assert_eq!(first(&cut, 200), (Some(100), Some(200)));
    assert_eq!(first(&cut, 190), (Some(100), Some(190)), "some of it is there");
    assert_eq!(first(&cut, 180), (Some(180), Some(180)), "nothing is");
    let told = [begin[0], begin[1], (span(180, 0), 200)];
    assert_eq!(first(&told, 180), (Some(100), Some(180)), "that has a checksum");
    let again = [cut[0], cut[1], cut[2], (named(1, 180), 300), (span(180, 10), 350)];
    assert_eq!(first(&again, 190), (Some(180), Some(190)));
}
