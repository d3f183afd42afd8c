//! The document lists every directive, and says of each what the registry says.

use config::{Directive, Effect, directives};

const DOCUMENT: &str = include_str!("../../../docs/configuration.md");

/// The cells of each row of the tables below a heading, up to the next heading.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let section = DOCUMENT.split("\n## ").find(|part| part.starts_with(heading)).expect(heading);
    let cells =
        |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_string()).collect();
    section.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

fn names(directive: &Directive) -> String {
    directive.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[test]
fn directives_that_act_are_described() {
    let documented = rows("Directives that act");
    let acting: Vec<_> =
        directives().iter().filter(|d| d.effect == Effect::Acts && d.name != "sentinel").collect();
    for (row, directive) in documented.iter().zip(&acting) {
        let change = match (directive.is_parameter(), directive.immutable, directive.protected) {
            (false, ..) => "file",
            (_, true, _) => "start",
            (.., true) => "protected",
            _ => "",
        };
        let expected = [names(directive), directive.value_form(), code(directive.default), change.into()];
        assert_eq!(row[..4], expected, "{}", directive.name);
        assert!(row[4].len() > 10, "{} has no description", directive.name);
    }
    assert_eq!(documented.len(), acting.len(), "a row is missing or one too many");
}

#[test]
fn directives_without_effect_are_listed_with_the_reason() {
    let documented = rows("Directives without effect");
    let inert = directives().iter().filter_map(|directive| match directive.effect {
        Effect::None(why) => Some(vec![names(directive), code(directive.default), why.to_string()]),
        Effect::Acts => None,
    });
    assert!(
        inert.eq(documented.iter().cloned()),
        "the table in docs/configuration.md differs from the registry"
    );
}
