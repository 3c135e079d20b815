//! The HTML around a picture, and the escaping of every text.

const SHARED_CSS: &str = include_str!("page.css");
const SHARED_JS: &str = include_str!("page.js");

/// Colours for kinds; `page.css` defines as many classes `k0`, `k1`, and so on.
pub(crate) const COLOURS: usize = 10;

/// Characters that turn the direction of the text around them: a label could show what it does not say.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A control character as its visible picture; what turns the direction of text as a replacement character.
fn visible(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        c if turns_direction(c) || c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// `text` for HTML, as content and inside a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().map(visible) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push_str("&#10;"),
            c => out.push(c),
        }
    }
    out
}

/// `text` as a JSON string, safe inside a script element too: no `<`, `>` or `&` survives in it.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\u{0}'..='\u{1f}' | '\u{7f}' => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c if turns_direction(c) => out.push_str("\\ufffd"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A JSON list of what is already JSON.
pub(crate) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(","))
}

/// At most `most` characters of `text`, on one line, with an ellipsis where it was cut.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    let line = text.replace(['\n', '\t'], " ");
    if line.chars().count() <= most {
        return line;
    }
    let kept: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{}\u{2026}", kept.trim_end())
}

/// `text` in at most `lines` lines of about `columns` characters, broken between words where it can be.
pub(crate) fn wrapped(text: &str, columns: usize, lines: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut current = String::new();
        for word in line.split_whitespace() {
            let length = current.chars().count();
            if length > 0 && length + 1 + word.chars().count() > columns {
                out.push(std::mem::take(&mut current));
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        out.push(current);
    }
    if out.len() > lines {
        out.truncate(lines.saturating_sub(1));
        out.push("\u{2026}".to_string());
    }
    out.iter().map(|line| shorten(line, columns)).collect()
}

/// Nanoseconds as people say them, exact to the nanosecond. `page.js` says them the same way.
pub(crate) fn time(ns: u64) -> String {
    let (unit, name, digits) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (1_000, "µs", 3),
        1_000_000..1_000_000_000 => (1_000_000, "ms", 6),
        _ => (1_000_000_000, "s", 9),
    };
    let rest = format!("{:0digits$}", ns % unit);
    let rest = rest.trim_end_matches('0');
    let dot = if rest.is_empty() { "" } else { "." };
    format!("{}{dot}{rest} {name}", ns / unit)
}

/// The indices of the kinds in order of their first appearance, and the kinds themselves.
pub(crate) fn kinds<'a>(names: impl Iterator<Item = &'a str>) -> (Vec<usize>, Vec<&'a str>) {
    let mut seen = std::collections::BTreeMap::new();
    let mut order = Vec::new();
    let indices = names
        .map(|name| {
            *seen.entry(name).or_insert_with(|| {
                order.push(name);
                order.len() - 1
            })
        })
        .collect();
    (indices, order)
}

/// The classes of a kind: its colour, and a dashed stroke where the colours have come round again.
pub(crate) fn kind_class(kind: usize) -> String {
    let dashed = if kind >= COLOURS { " again" } else { "" };
    format!("k{}{dashed}", kind % COLOURS)
}

/// An arrowhead per colour, for `marker-end="url(#aN)"`.
pub(crate) fn arrowheads(kinds: usize) -> String {
    (0..kinds.min(COLOURS))
        .map(|kind| {
            format!(
                "<marker id=\"a{kind}\" class=\"k{kind}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" \
                 markerWidth=\"9\" markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
                 <path class=\"head\" d=\"M0 1L10 5L0 9z\"/></marker>\n"
            )
        })
        .collect()
}

/// What one picture adds to the shared page.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    pub(crate) class: &'a str,
    pub(crate) css: &'a str,
    pub(crate) js: &'a str,
    /// Markup, escaped already.
    pub(crate) body: &'a str,
    /// JSON for the script, safe in a script element already.
    pub(crate) data: &'a str,
}

impl Page<'_> {
    pub(crate) fn html(&self) -> String {
        let title = escape(self.title);
        let Page { class, css, js, body, data, .. } = self;
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{SHARED_CSS}{css}</style>\n</head>\n\
             <body class=\"{class}\">\n{body}\
             <div id=\"tip\" role=\"tooltip\" hidden></div>\n\
             <script type=\"application/json\" id=\"data\">{data}</script>\n\
             <script>\n'use strict';\n{SHARED_JS}{js}</script>\n</body>\n</html>\n"
        )
    }
}

/// The page for input that makes no sense: which part of it, in words.
pub(crate) fn refusal(title: &str, why: &str) -> String {
    let body = format!(
        "<header>\n<h1>{}</h1>\n<p class=\"reason\">Nothing to draw: {}</p>\n</header>\n",
        escape(title),
        escape(why)
    );
    Page { title, class: "refusal", css: "", js: "", body: &body, data: "{}" }.html()
}
