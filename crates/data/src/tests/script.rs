//! `testdata/*.txt`: `> command` lines with the replies below them; `@now 1000` sets the time in milliseconds.
//! `UPDATE=1 cargo test -p data` writes the replies anew; read the diff. The replies were compared with those
//! of redis-server.

use crate::{Context, Db, Unready, execute, introspect, read};
use std::fmt::Write;
use std::path::Path;
use wire::resp::{Parser, Reply};

fn show(reply: &Reply, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    let mut line = |text: String| writeln!(out, "{pad}{text}").expect("a string takes all");
    match reply {
        Reply::Simple(text) => line(format!("+{text}")),
        Reply::Error(text) => line(format!("-{text}")),
        Reply::Int(value) => line(format!(":{value}")),
        Reply::Bulk(bytes) => line(format!("\"{}\"", bytes.escape_ascii())),
        Reply::Null => line(String::from("(null)")),
        Reply::NullArray => line(String::from("(null array)")),
        Reply::Bool(value) => line(format!("#{value}")),
        Reply::Double(text) => line(format!(",{text}")),
        Reply::Verbatim(text) => line(format!("={text}")),
        Reply::Array(items) | Reply::Set(items) => {
            line(format!("{} of", items.len()));
            items.iter().for_each(|item| show(item, indent + 2, out));
        }
        Reply::Map(pairs) => {
            line(format!("{} pairs", pairs.len()));
            for (key, value) in pairs {
                show(key, indent + 2, out);
                show(value, indent + 4, out);
            }
        }
    }
}

/// The script with the replies that it has now.
fn play(script: &str) -> String {
    let (mut db, mut cx, mut out) = (Db::new(1 << 20), Context::default(), String::new());
    for line in script.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            let mut parsed = Vec::new();
            Parser::default().parse(format!("{command}\r\n").as_bytes(), &mut parsed).expect(line);
            writeln!(out, "{line}").expect("a string takes all");
            for args in parsed {
                cx.index += 1;
                cx.seed = cx.index;
                if args.is(0, "command") {
                    show(&introspect(&args), 0, &mut out);
                    continue;
                }
                let is_read = crate::lookup(args.name()).is_some_and(|spec| spec.is_read());
                let before = is_read.then(|| read(&db, cx, &args));
                let reply = execute(&mut db, cx, &args);
                assert!(
                    before.is_none_or(|it| it == Err(Unready::Due) || it == Ok(reply.clone())),
                    "{line}"
                );
                show(&reply, 0, &mut out);
                db.check_all();
            }
        } else if line.is_empty() || line.starts_with('#') {
            writeln!(out, "{line}").expect("a string takes all");
        } else if let Some(now) = line.strip_prefix("@now ") {
            cx.now_ms = now.parse().expect(line);
            writeln!(out, "{line}").expect("a string takes all");
        }
    }
    out
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the one setting of a test that regenerates files")]
fn scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("testdata")
        .map(|file| file.expect("a readable folder").path())
        .collect();
    files.sort();
    assert!(files.len() >= 5, "scripts are missing");
    for file in files {
        let script = std::fs::read_to_string(&file).expect("a readable script");
        let now = play(&script);
        if std::env::var("UPDATE").is_ok() {
            std::fs::write(&file, now).expect("a writable script");
        } else {
            assert!(now == script, "{} differs: UPDATE=1 and read the diff\n{now}", file.display());
        }
    }
}
