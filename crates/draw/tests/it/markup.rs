//! Every page is well formed, loads nothing, reads no text as markup, and is the same each time.

use crate::samples::{self, NASTY};
use draw::{Cycle, Sheet, SpaceTime, Timeline};

/// Elements that have no end.
const VOID: [&str; 3] = ["meta", "input", "br"];

/// The elements of a page by their start tags, after a check that all tags balance, attributes are quoted and scripts
/// and styles hold text only.
pub(crate) fn elements(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>\n").expect("a doctype");
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        assert!(!text.contains('>'), "a bare > in {text:?}");
        references(text);
        rest = &rest[at + 1..];
        let end = closing(rest);
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "an end tag in its place");
            continue;
        }
        let name: String = tag.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        assert!(!name.is_empty(), "a tag has a name: {tag:?}");
        attributes(tag[name.len()..].trim_end_matches('/'));
        found.push(tag.to_string());
        if name == "script" || name == "style" {
            let end = rest.find(&format!("</{name}")).expect("it ends");
            rest = rest[end..].strip_prefix(&format!("</{name}>")).expect("and ends well");
        } else if !VOID.contains(&name.as_str()) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    found
}

/// Where a tag ends: a `>` outside of quotes.
fn closing(tag: &str) -> usize {
    let mut quoted = false;
    for (at, c) in tag.char_indices() {
        quoted ^= c == '"';
        if c == '>' && !quoted {
            return at;
        }
    }
    panic!("a tag without an end: {tag:.60}");
}

/// ` name="value"` and ` name`, and nothing else.
fn attributes(text: &str) {
    let mut rest = text.trim();
    while !rest.is_empty() {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let name = rest.find(|c| !plain(c)).unwrap_or(rest.len());
        assert!(name > 0, "an attribute has a name: {rest:?}");
        assert!(!rest.starts_with("on"), "no handlers: {rest:?}");
        rest = &rest[name..];
        if let Some(value) = rest.strip_prefix("=\"") {
            let end = value.find('"').expect("a closing quote");
            assert!(!value[..end].contains('<'), "escaped: {value:.60}");
            references(&value[..end]);
            rest = &value[end + 1..];
        }
        assert!(rest.is_empty() || rest.starts_with(char::is_whitespace), "a space: {rest:?}");
        rest = rest.trim_start();
    }
}

/// Every `&` begins a character reference.
fn references(text: &str) {
    for (at, _) in text.match_indices('&') {
        let name = text[at + 1..].split(';').next().expect("a part");
        let known = ["amp", "lt", "gt", "quot", "minus"].contains(&name);
        assert!(known || name.starts_with('#'), "a bare & in {text:?}");
    }
}

fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("no run", draw::space_time(&SpaceTime::default())),
        ("no history", draw::timeline(&Timeline::default())),
        ("no cycle", draw::cycle(&Cycle::default())),
        ("a run", draw::space_time(&samples::gossip(400))),
        ("a nasty run", draw::space_time(&samples::nasty_run())),
        ("a history", draw::timeline(&samples::stale_read())),
        ("a long history", draw::timeline(&samples::long_history(3_000))),
        ("a nasty history", draw::timeline(&samples::nasty_timeline())),
        ("a ring of 1", draw::cycle(&samples::ring(1))),
        ("a ring of 2", draw::cycle(&samples::ring(2))),
        ("a ring of 7", draw::cycle(&samples::ring(7))),
        ("a nasty ring", draw::cycle(&samples::nasty_cycle())),
        ("no report", draw::sheet(&Sheet::default())),
        ("a report", draw::sheet(&samples::report("Operations in each second"))),
        ("a nasty report", draw::sheet(&samples::report(NASTY))),
    ]
}

#[test]
fn every_page_is_well_formed_and_whole() {
    for (name, page) in pages() {
        let elements = elements(&page);
        let count =
            |tag: &str| elements.iter().filter(|e| e.split(' ').next() == Some(tag)).count();
        assert_eq!((count("html"), count("body"), count("title")), (1, 1, 1), "{name}");
        assert_eq!(count("script"), 2, "{name}: the data and the code, none from a label");
        assert_eq!(count("img") + count("link") + count("iframe") + count("image"), 0, "{name}");
        for element in &elements {
            assert!(!element.contains("src=") && !element.contains("href="), "{name}: {element}");
        }
        assert!(page.contains("default-src 'none'"), "{name} may load nothing");
        let outside = page.replace("http-equiv", "").contains("http");
        assert!(!outside, "{name} names an address");
    }
}

#[test]
fn no_text_is_read_as_markup() {
    let nasty = [
        draw::space_time(&samples::nasty_run()),
        draw::timeline(&samples::nasty_timeline()),
        draw::cycle(&samples::nasty_cycle()),
        draw::sheet(&samples::report(NASTY)),
    ];
    for page in nasty {
        assert!(!page.contains("<script>alert") && !page.contains(NASTY));
        assert!(page.contains("&lt;/script&gt;"), "it is shown, as text");
        assert!(!page.contains('\u{202e}') && !page.contains('\u{7}'), "nor may it turn the text");
    }
    // What refuses shows the title too.
    let mut refused = samples::nasty_run();
    refused.events[0].process = 99;
    let page = draw::space_time(&refused);
    assert_eq!(elements(&page).iter().filter(|tag| tag.starts_with("script")).count(), 2);
    assert!(page.contains("Nothing to draw: event 0: it is on process 99"));
}

#[test]
fn the_same_input_gives_the_same_page() {
    for ((name, first), (_, second)) in pages().into_iter().zip(pages()) {
        assert!(first == second, "{name}");
    }
}

/// The checker itself: what it must refuse.
#[test]
fn the_checker_sees_what_is_wrong() {
    let fine = "<p class=\"a\">1 &lt; 2<br></p>";
    assert_eq!(elements(&format!("<!doctype html>\n{fine}")), ["p class=\"a\"", "br"]);
    for wrong in [
        "<p>",
        "</p>",
        "<p></b></p>",
        "<p a=b></p>",
        "a & b",
        "<p a=\"<\"></p>",
        "<p onx=\"1\"></p>",
    ] {
        let page = format!("<!doctype html>\n{wrong}<br>");
        let seen = std::panic::catch_unwind(|| elements(&page));
        assert!(seen.is_err(), "{wrong} passed");
    }
}
