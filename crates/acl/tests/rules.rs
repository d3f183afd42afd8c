//! Rules, and what they make of a user. The expected texts are those of Valkey 9.1.

use acl::{Catalog, Databases, Denial, Key, Needs, Reason, Request, Users};

const CATEGORIES: &[&str] = &["keyspace", "read", "write", "set", "string", "admin", "slow", "fast"];

/// A few commands of a real server, with the numbers of their rows.
const COMMANDS: &[(&str, &[&str], bool)] = &[
    ("get", &["read", "string", "fast"], false),
    ("set", &["write", "string", "slow"], false),
    ("mget", &["read", "string", "fast"], false),
    ("sadd", &["write", "set", "fast"], false),
    ("smembers", &["read", "set", "slow"], false),
    ("select", &["fast"], false),
    ("debug", &["admin", "slow"], false),
    ("config", &["slow"], false),
    ("config|get", &["admin", "slow"], false),
    ("config|set", &["admin", "slow"], false),
    ("client", &["slow"], false),
    ("client|id", &["slow"], false),
    ("auth", &["fast"], true),
    ("publish", &["fast"], false),
    ("flushall", &["keyspace", "write", "slow"], false),
];

/// `*` at the end of a pattern is enough here.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_last() {
        Some((b'*', start)) => text.starts_with(start),
        _ => pattern == text,
    }
}

fn users() -> Users {
    let mut catalog = Catalog::new(CATEGORIES, matches);
    for (number, (name, categories, open)) in COMMANDS.iter().enumerate() {
        let bits =
            categories.iter().map(|category| catalog.category(category.as_bytes()).expect("it is there"));
        let bits = bits.fold(0, |sum, bit| sum | bit);
        catalog.add(number, name, bits, *open);
    }
    Users::new(catalog)
}

fn number(name: &str) -> usize {
    COMMANDS.iter().position(|(known, ..)| *known == name).expect("it is there")
}

fn set(users: &mut Users, name: &str, rules: &str) -> Result<String, String> {
    let rules: Vec<&[u8]> = rules.split(' ').filter(|rule| !rule.is_empty()).map(str::as_bytes).collect();
    let user = users.set(name.as_bytes(), &rules).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(user.description()).expect("UTF-8"))
}

#[test]
fn descriptions_are_canonical() {
    let x = "#2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    for (rules, description) in [
        ("", "off resetchannels -@all"),
        ("on nopass +set ~a db=0", "on nopass ~a resetchannels db=0 -@all +set"),
        ("+@all +get", "off resetchannels +@all +get"),
        ("-@all -get", "off resetchannels -@all -get"),
        ("+config|get +config|set -config", "off resetchannels -@all -config"),
        ("+config|get -config|set -config +config|get", "off resetchannels -@all -config +config|get"),
        ("+config +config|get -config|set +config", "off resetchannels -@all +config"),
        ("+select|0 +select|1 -select", "off resetchannels -@all -select"),
        ("+select|0 -select +select|1", "off resetchannels -@all -select +select|1"),
        ("+SELECT|Abc +select|abc", "off resetchannels -@all +select|abc"),
        ("-debug +debug|a +debug|b", "off resetchannels -@all -debug +debug|a +debug|b"),
        ("+config|get +@admin", "off resetchannels -@all +config|get +@admin"),
        ("allcommands nocommands", "off resetchannels -@all"),
        ("+@all -@all +get", "off resetchannels -@all +get"),
        ("-config|get +@all", "off resetchannels +@all"),
        ("+@set +@slow +@set +@slow +@SET", "off resetchannels -@all +@slow +@set"),
        ("&a &b resetchannels", "off resetchannels -@all"),
        ("&a &b &a", "off resetchannels &a &b -@all"),
        ("&a allchannels", "off &* -@all"),
        ("&*", "off &* -@all"),
        ("~a allkeys", "off ~* resetchannels -@all"),
        ("allkeys ~*", "off ~* resetchannels -@all"),
        ("~a %R~a %W~b", "off ~a %W~b resetchannels -@all"),
        ("%R~a %W~a", "off ~a resetchannels -@all"),
        ("%R~*", "off %R~* resetchannels -@all"),
        ("nopass >x", &format!("off {x} resetchannels -@all")),
        (">x >x", &format!("off {x} resetchannels -@all")),
        (">x nopass", "off nopass resetchannels -@all"),
        (">x resetpass", "off resetchannels -@all"),
        (&format!("{x} <x"), "off resetchannels -@all"),
        (&format!(">x !{}", &x[1..]), "off resetchannels -@all"),
        ("()", "off resetchannels -@all (resetchannels -@all)"),
        (
            "( +get ~a ) (+set ~b)",
            "off resetchannels -@all (~a resetchannels -@all +get) (~b resetchannels -@all +set)",
        ),
        ("(~a) (~b) clearselectors (~c)", "off resetchannels -@all (~c resetchannels -@all)"),
        ("(allcommands allkeys allchannels alldbs)", "off resetchannels -@all (~* &* +@all)"),
        ("db=1 (db=2)", "off resetchannels db=1 -@all (resetchannels db=2 -@all)"),
        ("db=3,1,2,1", "off resetchannels db=1,2,3 -@all"),
        ("db=1 db=2", "off resetchannels db=2 -@all"),
        ("DB=007,+1", "off resetchannels db=1,7 -@all"),
        ("db=1 alldbs", "off resetchannels -@all"),
        ("resetdbs", "off resetchannels resetdbs -@all"),
        ("on ~a +get reset", "off resetchannels -@all"),
        ("On NOPASS AllKeys", "on nopass ~* resetchannels -@all"),
        ("sanitize-payload skip-sanitize-payload", "off resetchannels -@all"),
    ] {
        assert_eq!(set(&mut users(), "x", rules).expect(rules), description, "{rules}");
    }
}

#[test]
fn a_description_makes_the_same_user_again() {
    for rules in [
        "on >x >y ~a %R~b &c &d db=1,2 +@all -@write +set -config|set",
        "off nopass resetdbs +select|0 (+get %W~q &*) (db=5 +@read)",
    ] {
        let mut users = users();
        let description = set(&mut users, "x", rules).expect("well-formed");
        assert_eq!(set(&mut users, "y", &description).expect("well-formed"), description);
    }
}

#[test]
fn mistakes_are_named_and_change_nothing() {
    let unknown = "Unknown command or category name in ACL";
    let keys = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. \
                Try 'resetkeys' to start with an empty list of patterns";
    let hash =
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
    let absent = "The password you are trying to remove from the user does not exist";
    for (rule, error) in [
        ("+foo", unknown),
        ("+config|nope", unknown),
        ("-config|nope", unknown),
        ("-get|x", unknown),
        ("+get|a|b", unknown),
        ("+@foo", unknown),
        ("+@", unknown),
        ("+", unknown),
        ("+|", unknown),
        ("+get)", unknown),
        ("+get|", "Syntax error"),
        ("+config|", "Syntax error"),
        ("+config|get|x", "Allowing first-arg of a subcommand is not supported"),
        ("%X~a", "Syntax error"),
        ("foo", "Syntax error"),
        (")", "Syntax error"),
        ("(foo)", "Syntax error"),
        ("(on)", "Syntax error"),
        ("(>x)", "Syntax error"),
        ("db=", "Syntax error"),
        ("db=0,,1", "Syntax error"),
        ("db=0,1,", "Syntax error"),
        ("db=-", "Syntax error"),
        ("db=-1", "The provided database ID is out of range"),
        ("db=2147483648", "The provided database ID is out of range"),
        ("<nope", absent),
        ("#abc", hash),
        ("!abc", hash),
    ] {
        let mut users = users();
        let error = format!("Error in ACL SETUSER modifier '{rule}': {error}");
        assert_eq!(set(&mut users, "x", &format!("on {rule}")).unwrap_err(), error);
        assert!(users.get(b"x").is_none(), "{rule}");
    }
    let mut users = users();
    assert_eq!(
        set(&mut users, "x", "allkeys ~a").unwrap_err(),
        format!("Error in ACL SETUSER modifier '~a': {keys}")
    );
    let unmatched = "Unmatched parenthesis in acl selector starting at '(+get'.";
    assert_eq!(set(&mut users, "x", "(+get ~a").unwrap_err(), unmatched);
    assert_eq!(
        set(&mut users, "a b", "on").unwrap_err(),
        "Usernames can't contain spaces or null characters"
    );
    assert_eq!(
        set(&mut users, "a\0b", "on").unwrap_err(),
        "Usernames can't contain spaces or null characters"
    );
}

fn allowed(users: &Users, user: &str, command: &str) -> bool {
    let user = users.get(user.as_bytes()).expect("the user is there");
    users.check(user, &Request { command: number(command), ..Request::default() }).is_ok()
}

#[test]
fn commands_are_allowed_by_the_last_rule_about_them() {
    let mut users = users();
    for (rules, yes, no) in [
        ("+@all -@string", "sadd config|get select", "get set mget"),
        ("+@all -@string +get", "get", "set"),
        ("+@set", "sadd smembers", "get"),
        ("+config", "config config|get config|set", "client|id"),
        ("+config -config|set", "config|get", "config|set"),
        ("+config|get", "config|get", "config|set config"),
        ("+@all -config", "client|id", "config config|get config|set"),
        // A container in a category takes its subcommands along.
        ("+@slow", "config|get client|id", "get"),
        ("-@all", "auth", "get"),
        ("+@all -@fast", "auth set", "get"),
    ] {
        set(&mut users, "x", &format!("reset {rules}")).expect(rules);
        for command in yes.split(' ') {
            assert!(allowed(&users, "x", command), "{rules}: {command}");
        }
        for command in no.split(' ') {
            assert!(!allowed(&users, "x", command), "{rules}: {command}");
        }
    }
}

#[test]
fn a_first_argument_can_be_all_that_is_allowed() {
    let mut users = users();
    set(&mut users, "x", "+select|0 +select|One").expect("well-formed");
    let user = users.get(b"x").expect("it is there").clone();
    let check = |users: &Users, first_arg| {
        users.check(&user, &Request { command: number("select"), first_arg, ..Request::default() }).is_ok()
    };
    assert!(check(&users, Some(b"0")) && check(&users, Some(b"ONE")));
    assert!(!check(&users, Some(b"1")) && !check(&users, None));
}

#[test]
fn keys_need_the_right_that_the_command_needs() {
    let mut users = users();
    set(&mut users, "x", "+@all %R~r* %W~w* ~b*").expect("well-formed");
    let user = users.get(b"x").expect("it is there").clone();
    let denied = |keys: &[(&str, Needs)]| {
        let keys: Vec<Key<'_>> = (1..)
            .zip(keys)
            .map(|(at, (name, needs))| Key { at, name: name.as_bytes(), needs: *needs })
            .collect();
        users.check(&user, &Request { command: 0, keys: &keys, ..Request::default() }).err()
    };
    let key = |at| Some(Denial { reason: Reason::Key, at: Some(at) });
    assert_eq!(denied(&[("r", Needs::READ), ("w", Needs::WRITE), ("b", Needs::BOTH)]), None);
    assert_eq!(denied(&[("r", Needs::NOTHING), ("w", Needs::NOTHING)]), None);
    assert_eq!(denied(&[("r", Needs::READ), ("w", Needs::READ)]), key(2));
    assert_eq!(denied(&[("r", Needs::BOTH)]), key(1));
    assert_eq!(denied(&[("x", Needs::NOTHING)]), key(1));
    assert!(!users.reads_all_keys(&user, 0));
    set(&mut users, "x", "(+get %R~*) (+set %W~*)").expect("well-formed");
    let user = users.get(b"x").expect("it is there").clone();
    assert!(
        users.reads_all_keys(&user, number("get")) && !users.reads_all_keys(&user, 1000.min(number("debug")))
    );
}

#[test]
fn the_selector_that_gets_furthest_tells_why_not() {
    let mut users = users();
    set(&mut users, "x", "+mget ~key (+mget ~key ~other) (db=1 +@all ~*)").expect("well-formed");
    let user = users.get(b"x").expect("it is there").clone();
    let keys = [(1, "key"), (2, "other"), (3, "third")].map(|(at, name)| Key {
        at,
        name: name.as_bytes(),
        needs: Needs::READ,
    });
    let check = |command: &str, keys: &[Key<'_>], db| {
        let databases = [(None, db)];
        let databases = Databases::These(&databases);
        users.check(&user, &Request { command: number(command), keys, databases, ..Request::default() })
    };
    assert_eq!(check("mget", &keys[..2], 0), Ok(()));
    assert_eq!(check("mget", &keys, 0), Err(Denial { reason: Reason::Key, at: Some(3) }));
    assert_eq!(check("mget", &keys, 1), Ok(()));
    assert_eq!(check("get", &keys[..1], 0), Err(Denial { reason: Reason::Command, at: None }));
}

#[test]
fn databases() {
    let mut users = users();
    set(&mut users, "x", "+@all ~* db=0,1").expect("well-formed");
    let user = users.get(b"x").expect("it is there").clone();
    let check = |databases| users.check(&user, &Request { command: 0, databases, ..Request::default() });
    let denied = |at| Err(Denial { reason: Reason::Database, at });
    assert_eq!(check(Databases::None), Ok(()));
    assert_eq!(check(Databases::These(&[(Some(1), 1), (None, 0)])), Ok(()));
    assert_eq!(check(Databases::These(&[(None, 0), (Some(4), 2)])), denied(Some(4)));
    assert_eq!(check(Databases::All(2)), Ok(()));
    assert_eq!(check(Databases::All(3)), denied(None));
}

#[test]
fn channels() {
    let mut users = users();
    set(&mut users, "x", "+publish &news.* &chat").expect("well-formed");
    let user = users.get(b"x").expect("it is there").clone();
    assert!(users.allows_channel(&user, b"news.today", false) && users.allows_channel(&user, b"chat", false));
    assert!(!users.allows_channel(&user, b"chats", false));
    assert!(users.allows_channel(&user, b"news.*", true) && !users.allows_channel(&user, b"news.a*", true));
    let channels = [(1, &b"chat"[..]), (2, b"talk")];
    let request = Request { command: number("publish"), channels: &channels, ..Request::default() };
    assert_eq!(users.check(&user, &request), Err(Denial { reason: Reason::Channel, at: Some(2) }));

    let after = |rules: &str| {
        let mut users = users.clone();
        set(&mut users, "x", rules).expect(rules);
        Users::keeps_channels(&user, users.get(b"x").expect("it is there"))
    };
    assert!(after("&more") && after("allchannels") && after("resetchannels (&news.*) (&chat)"));
    assert!(!after("resetchannels") && !after("resetchannels &chat"));
}

#[test]
fn only_those_who_may_do_everything_are_unrestricted() {
    let mut users = users();
    assert!(users.default_user().is_unrestricted());
    for (rules, unrestricted) in [
        ("+@all ~* &*", true),
        ("+@all ~* &* db=0", false),
        ("+@all ~*", false),
        ("+@all &* %R~*", false),
        ("+@all &* %R~* %W~*", true),
        ("+@all ~* &* -get +get", false),
        ("(+@all ~* &*)", true),
    ] {
        set(&mut users, "x", &format!("reset {rules}")).expect(rules);
        assert_eq!(users.get(b"x").expect("it is there").is_unrestricted(), unrestricted, "{rules}");
    }
}

#[test]
fn who_may_come_in() {
    let mut users = users();
    set(&mut users, "a", "on >p >q").expect("well-formed");
    set(&mut users, "b", "on nopass").expect("well-formed");
    set(&mut users, "c", "off nopass").expect("well-formed");
    let comes_in = |users: &Users, name: &str, password: &str| {
        users.authenticate(name.as_bytes(), password.as_bytes()).is_some()
    };
    assert!(comes_in(&users, "a", "p") && comes_in(&users, "a", "q") && !comes_in(&users, "a", "r"));
    assert!(comes_in(&users, "b", "anything") && comes_in(&users, "default", ""));
    assert!(!comes_in(&users, "c", "x") && !comes_in(&users, "nobody", "x"));
    users.set_default_password(Some(b"secret"));
    assert!(comes_in(&users, "default", "secret") && !comes_in(&users, "default", "x"));
    users.set_default_password(None);
    assert!(comes_in(&users, "default", "x"));
    assert!(users.remove(b"default").is_none() && users.remove(b"a").is_some() && users.get(b"a").is_none());
}

#[test]
fn new_users_get_the_channels_that_are_the_default() {
    let mut users = users();
    users.set_all_channels_by_default(true);
    assert_eq!(set(&mut users, "x", "(+get)").expect("well-formed"), "off &* -@all (&* -@all +get)");
    let error = set(&mut users, "y", "&test").unwrap_err();
    assert!(error.ends_with("Try 'resetchannels' to start with an empty list of channels"), "{error}");
    users.set_all_channels_by_default(false);
    assert_eq!(set(&mut users, "x", "on").expect("well-formed"), "on &* -@all (&* -@all +get)");
}

#[test]
fn files_are_taken_whole_or_not_at_all() {
    let mut users = users();
    set(&mut users, "old", "on").expect("well-formed");
    users
        .load(b"\n user a   on nopass ( +get ~x ) \nuser default on >p +@all\n", "users.acl")
        .expect("well-formed");
    let saved = "user a on nopass resetchannels -@all (~x resetchannels -@all +get)\n\
                 user default on #148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940 resetchannels +@all\n";
    assert_eq!(String::from_utf8(users.save()).expect("UTF-8"), saved);
    let end = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
    for (text, error) in [
        (
            "user a on +foo\nuser b onn\n",
            "users.acl:1: Error in applying operation '+foo': Unknown command or category name in ACL. \
             users.acl:2: Syntax error. ",
        ),
        ("usr a on\n", "users.acl:1 should start with user keyword followed by the username. "),
        ("user\n", "users.acl:1 should start with user keyword followed by the username. "),
        ("user a on\nuser a off\n", "WARNING: Duplicate user 'a' found on line 2. "),
        ("user a\n\n# comment\n", "users.acl:3 should start with user keyword followed by the username. "),
        ("user a (+get\n", "users.acl:1: Unmatched parenthesis in selector definition."),
    ] {
        assert_eq!(users.load(text.as_bytes(), "users.acl").unwrap_err(), format!("{error}{end}"));
        assert_eq!(String::from_utf8(users.save()).expect("UTF-8"), saved);
    }
    users.load(b"", "users.acl").expect("an empty file");
    assert_eq!(users.save(), b"user default on nopass ~* &* +@all\n");
}

#[test]
fn definitions_of_a_configuration_file() {
    let mut users = users();
    let user = users.define(b"a", &[b"on", b"nopass", b"(+get", b"~x)"]).expect("well-formed");
    assert_eq!(user.description(), b"on nopass resetchannels -@all (~x resetchannels -@all +get)");
    let error =
        "Error loading ACL rule '+foo' for the user named 'b': Unknown command or category name in ACL";
    assert_eq!(users.define(b"b", &[b"+foo"]).unwrap_err(), error);
    assert!(users.define(b"c", &[b"(+get"]).is_err() && users.define(b"a b", &[]).is_err());
    users.define(b"default", &[b"off"]).expect("well-formed");
    assert_eq!(users.default_user().description(), b"off resetchannels -@all");
}

#[test]
fn nothing_that_a_file_would_read_otherwise() {
    let mut users = users();
    for rule in ["~a b", "&a\nuser evil on", "%R~a\t", "+select|a b", "~a\0b"] {
        let error = users.set(b"x", &[rule.as_bytes()]).unwrap_err().to_string();
        assert!(error.ends_with("': Syntax error"), "{error}");
    }
}
