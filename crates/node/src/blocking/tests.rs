use crate::action::ConnId;
use crate::testing::Fixture;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

/// A client that has sent a request and waits.
fn waiting(fixture: &mut Fixture, request: &str) -> ConnId {
    let conn = fixture.client();
    assert_eq!(run_on(fixture, conn, request), "", "{request}");
    conn
}

fn run_on(fixture: &mut Fixture, conn: ConnId, request: &str) -> String {
    let words: Vec<&str> = request.split(' ').collect();
    fixture.run_on(conn, &words)
}

fn run(fixture: &mut Fixture, request: &str) -> String {
    let conn = fixture.conn;
    run_on(fixture, conn, request)
}

fn popped(key: &str, element: &str) -> String {
    format!("*2\r\n${}\r\n{key}\r\n${}\r\n{element}\r\n", key.len(), element.len())
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

#[test]
fn in_order_of_arrival() {
    let mut fixture = Fixture::new();
    let first = waiting(&mut fixture, "BLPOP none l 0");
    let second = waiting(&mut fixture, "BRPOP l 0");
    let third = waiting(&mut fixture, "BLMPOP 0 1 l LEFT COUNT 2");
    // The whole command has run before anybody is served.
    assert_eq!(run(&mut fixture, "RPUSH l a b c d e"), ":5\r\n");
    assert_eq!(fixture.read_from(first), popped("l", "a"));
    assert_eq!(fixture.read_from(second), popped("l", "e"));
    assert_eq!(fixture.read_from(third), "*2\r\n$1\r\nl\r\n*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
    assert_eq!(run(&mut fixture, "LRANGE l 0 -1"), "*1\r\n$1\r\nd\r\n");
    // Whoever has been served waits no longer.
    assert_eq!(run_on(&mut fixture, first, "PING"), "+PONG\r\n");
}

#[test]
fn those_for_whom_nothing_is_left_go_on_waiting() {
    let mut fixture = Fixture::new();
    let clients: Vec<ConnId> = (0..3).map(|_| waiting(&mut fixture, "BLPOP l 0")).collect();
    for (number, &client) in clients.iter().enumerate() {
        let element = number.to_string();
        assert_eq!(fixture.run(&["RPUSH", "l", &element]), ":1\r\n");
        assert_eq!(fixture.read_from(client), popped("l", &element));
        assert!(clients[number + 1..].iter().all(|&client| fixture.read_from(client).is_empty()));
    }
    assert_eq!(run(&mut fixture, "EXISTS l"), ":0\r\n");
}

#[test]
fn after_the_transaction() {
    let mut fixture = Fixture::new();
    let client = waiting(&mut fixture, "BLPOP l 0");
    for request in ["MULTI", "RPUSH l a", "LPOP l", "RPUSH l b c"] {
        run(&mut fixture, request);
    }
    assert_eq!(fixture.read_from(client), "");
    assert_eq!(run(&mut fixture, "EXEC"), "*3\r\n:1\r\n$1\r\na\r\n:2\r\n");
    assert_eq!(fixture.read_from(client), popped("l", "b"));
    // Within a transaction there is no waiting.
    for request in ["MULTI", "BLPOP none 0", "BLMOVE none d LEFT LEFT 0"] {
        run(&mut fixture, request);
    }
    assert_eq!(run(&mut fixture, "EXEC"), "*2\r\n*-1\r\n$-1\r\n");
}

#[test]
fn what_one_moves_serves_another() {
    let mut fixture = Fixture::new();
    let last = waiting(&mut fixture, "BLPOP c 0");
    let middle = waiting(&mut fixture, "BRPOPLPUSH b c 0");
    let first = waiting(&mut fixture, "BLMOVE a b LEFT RIGHT 0");
    assert_eq!(run(&mut fixture, "RPUSH a x"), ":1\r\n");
    assert_eq!(fixture.read_from(first), bulk("x"));
    assert_eq!(fixture.read_from(middle), bulk("x"));
    assert_eq!(fixture.read_from(last), popped("c", "x"));
    assert_eq!(run(&mut fixture, "DBSIZE"), ":0\r\n");
}

#[test]
fn a_destination_of_another_type_is_an_error_then() {
    let mut fixture = Fixture::new();
    let refused = waiting(&mut fixture, "BLMOVE l d LEFT LEFT 0");
    let served = waiting(&mut fixture, "BLPOP l 0");
    run(&mut fixture, "SET d x");
    run(&mut fixture, "RPUSH l a");
    assert_eq!(fixture.read_from(refused), WRONG_TYPE);
    assert_eq!(fixture.read_from(served), popped("l", "a"));
}

#[test]
fn keys_come_by_other_ways_too() {
    let mut fixture = Fixture::new();
    for request in ["RENAME other l", "COPY other l", "SORT other ALPHA STORE l", "RPOPLPUSH other l"] {
        let client = waiting(&mut fixture, "BLPOP l 0");
        run(&mut fixture, "RPUSH other a");
        // A value of another type is nothing to those who wait for a list.
        run(&mut fixture, "SET l x");
        run(&mut fixture, "DEL l");
        run(&mut fixture, request);
        assert_eq!(fixture.read_from(client), popped("l", "a"), "{request}");
        run(&mut fixture, "DEL other");
    }
    let client = waiting(&mut fixture, "BLPOP l 0");
    for request in ["SELECT 1", "RPUSH l a", "MOVE l 0", "SELECT 0"] {
        run(&mut fixture, request);
    }
    assert_eq!(fixture.read_from(client), popped("l", "a"));
    let client = waiting(&mut fixture, "BLPOP l 0");
    for request in ["SELECT 1", "RPUSH l b", "SWAPDB 0 1", "SELECT 0"] {
        run(&mut fixture, request);
    }
    assert_eq!(fixture.read_from(client), popped("l", "b"));
}

#[test]
fn time_is_over() {
    let mut fixture = Fixture::new();
    let pop = waiting(&mut fixture, "BLPOP l 0.1");
    let moving = waiting(&mut fixture, "BLMOVE l d LEFT LEFT 0.2");
    let patient = waiting(&mut fixture, "BLMPOP 0 1 l LEFT");
    // What comes behind a waiting command is run when that has been answered.
    assert_eq!(run_on(&mut fixture, pop, "PING"), "");
    fixture.advance_ms(99);
    assert_eq!(fixture.read_from(pop), "");
    fixture.advance_ms(1);
    assert_eq!(fixture.read_from(pop), "*-1\r\n+PONG\r\n");
    fixture.advance_ms(100);
    assert_eq!(fixture.read_from(moving), "*-1\r\n");
    fixture.advance_ms(1_000_000);
    assert_eq!(fixture.read_from(patient), "");
    run(&mut fixture, "RPUSH l a b");
    assert_eq!(fixture.read_from(patient), "*2\r\n$1\r\nl\r\n*1\r\n$1\r\na\r\n");
    assert_eq!(run(&mut fixture, "LLEN l"), ":1\r\n");
}

#[test]
fn clients_that_leave_take_nothing_along() {
    let mut fixture = Fixture::new();
    let gone = waiting(&mut fixture, "BLPOP l 0");
    let stays = waiting(&mut fixture, "BLPOP l 0");
    fixture.eof(gone);
    run(&mut fixture, "RPUSH l a");
    assert_eq!(fixture.read_from(stays), popped("l", "a"));
}

#[test]
fn a_sleep_counts_before_those_who_wait_are_served() {
    let mut fixture = Fixture::new();
    run(&mut fixture, "DEBUG SET-ACTIVE-EXPIRE 0");
    let client = waiting(&mut fixture, "BLPOP l 1");
    for request in ["MULTI", "RPUSH l a", "PEXPIRE l 100", "DEBUG SLEEP 0.2"] {
        run(&mut fixture, request);
    }
    let words: Vec<u8> = b"*1\r\n$4\r\nEXEC\r\n".to_vec();
    let conn = fixture.conn;
    fixture.node.input(fixture.now, conn, &words);
    fixture.now.unix_us += 200_000;
    fixture.now.mono_us += 200_000;
    fixture.node.before_write(fixture.now);
    assert_eq!(fixture.read_from(client), "", "what came has expired meanwhile");
    let executed = fixture.read_from(conn);
    assert!(executed.starts_with("*3\r\n"), "{executed}");
    assert_eq!(fixture.run(&["DBSIZE"]), ":1\r\n", "and is left to whoever comes upon it");
    fixture.advance_ms(700);
    assert_eq!(fixture.read_from(client), "");
    fixture.advance_ms(100);
    assert_eq!(fixture.read_from(client), "*-1\r\n", "it waits for no longer than it said");
    // And nobody is forgotten who could be served.
    let client = waiting(&mut fixture, "BLPOP l 0");
    for request in ["MULTI", "RPUSH l a", "DEBUG SLEEP 0.2", "EXEC"] {
        run(&mut fixture, request);
    }
    assert_eq!(fixture.read_from(client), popped("l", "a"));
}
