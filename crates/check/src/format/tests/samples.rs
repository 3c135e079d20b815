//! The files of `testdata/format` against `testdata/format/expected.txt`: what each becomes, written out.

use crate::format::{FailedCas, Format, NilRead, Object, Options, detect, read, write};
use crate::txn::{Op, Transactions};

macro_rules! samples {
    ($($name:literal $format:ident),* $(,)?) => {
        /// Every sample: its name, its format, its content.
        pub(super) const SAMPLES: &[(&str, Format, &str)] = &[$((
            $name,
            Format::$format,
            include_str!(concat!("../../../testdata/format/", $name)),
        )),*];
    };
}

samples! {
    "atoll-untimed.jsonl" Atoll,
    "atoll.jsonl" Atoll,
    "elle-edn-append.edn" ElleEdn,
    "elle-edn-register.edn" ElleEdn,
    "elle-json-append.json" ElleJson,
    "elle-json-register.json" ElleJson,
    "jepsen-edn-counter.edn" JepsenEdn,
    "jepsen-edn-independent.edn" JepsenEdn,
    "jepsen-edn-queue.edn" JepsenEdn,
    "jepsen-edn-register.edn" JepsenEdn,
    "jepsen-edn-set.edn" JepsenEdn,
    "jepsen-text-log.log" JepsenText,
    "jepsen-text.txt" JepsenText,
    "plume-interleaved.txt" Plume,
    "plume.txt" Plume,
    "porcupine-etcd.log" PorcupineEtcd,
    "porcupine-kv.txt" PorcupineKv,
}

const EXPECTED: &str = include_str!("../../../testdata/format/expected.txt");

/// A transaction a line: line in the file, process, what happened.
fn show(history: &Transactions) -> String {
    let mut out = String::new();
    for (number, txn) in history.txns.iter().enumerate() {
        out += &format!("{} {}: {}\n", txn.line, txn.process, history.describe(number));
    }
    out
}

fn loaded(text: &str, options: Options) -> Transactions {
    read(text.as_bytes(), &options).expect("a good history").history
}

fn shown(text: &str, options: Options) -> String {
    show(&loaded(text, options))
}

fn fault(text: &str, options: Options) -> String {
    read(text.as_bytes(), &options).expect_err("a bad history").to_string()
}

#[test]
fn samples_become_what_they_say() {
    let mut out = String::new();
    for (name, format, text) in SAMPLES {
        assert_eq!(detect(text.as_bytes()), Some(*format), "{name}");
        let loaded = read(text.as_bytes(), &Options::default()).expect(name);
        let timed = if loaded.history.timed { "" } else { ", without time" };
        out += &format!("== {name}: {}{timed}\n", loaded.format.name());
        for (reason, count) in &loaded.ignored {
            out += &format!("ignored {count}: {reason}\n");
        }
        out += &show(&loaded.history);
        out += "\n";
    }
    assert!(out == EXPECTED, "what is read now:\n{out}");
}

/// All that a round trip keeps: names instead of numbers, and no lines.
pub(super) fn essence(history: &Transactions) -> Vec<String> {
    let txn = |number: usize| {
        let txn = &history.txns[number];
        let times = (txn.invoked, txn.returned);
        let times = if history.timed { format!("{times:?}") } else { String::new() };
        format!("{} {times} {:?} {}", txn.process, txn.fate, history.describe(number))
    };
    (0..history.txns.len()).map(txn).collect()
}

#[test]
fn what_is_written_reads_the_same() {
    for (name, _, text) in SAMPLES {
        let first = loaded(text, Options::default());
        let written = write(&first);
        let again = read(written.as_bytes(), &Options::default()).expect(name);
        assert_eq!(again.format, Format::Atoll, "{name}");
        assert_eq!(again.history.timed, first.timed, "{name}");
        assert_eq!(essence(&again.history), essence(&first), "{name}:\n{written}");
        assert_eq!(write(&again.history), written, "{name}");
    }
}

#[test]
fn histories_of_the_recorder_are_the_same_in_both_forms() {
    let text = include_str!("../../../testdata/anomalies.txt");
    for story in text.split("\n\n").filter(|story| story.contains("\"op\":[\"")) {
        let lines: Vec<&str> = story.lines().filter(|line| line.starts_with('{')).collect();
        let lines = lines.join("\n");
        let old = crate::text::read::<crate::kv::KvOp, crate::kv::Reply>(&lines);
        let Ok(old) = old else { continue };
        let new = loaded(&lines, Options::default());
        let back = crate::text::read::<crate::kv::KvOp, crate::kv::Reply>(&write(&new));
        let mut back = back.expect("the form of the recorder").operations;
        let mut old = old.operations;
        back.sort_by_key(|operation| (operation.invoked, operation.process));
        old.sort_by_key(|operation| (operation.invoked, operation.process));
        assert_eq!(back, old, "{story}");
    }
}

#[test]
fn names_go_both_ways() {
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.name()), Some(format));
    }
    for object in Object::ALL {
        assert_eq!(Object::from_name(object.name()), Some(object));
    }
    assert_eq!(Format::from_name("json"), None);
}

#[test]
fn nil_means_what_the_source_means_or_what_is_asked() {
    let jepsen = "{:process 0 :type :invoke :f :write :value 1}\n{:process 0 :type :ok :f :write}\n\
                  {:process 0 :type :invoke :f :read}\n{:process 0 :type :ok :f :read :value nil}";
    let elle = "{:process 0 :type :invoke :value [[:r :x nil] [:w :y 1]]}\n\
                {:process 0 :type :ok :value [[:r :x nil] [:w :y 1]]}";
    let etcd = "INFO  jepsen.util - 1 :invoke :read nil\nINFO  jepsen.util - 1 :ok :read nil";
    let atoll = r#"{"process":1,"invoked":1,"returned":2,"op":["get","x"],"ok":[null]}"#;
    let plume = "r(1,0,0,0)\n";
    let list = "{:process 0 :type :ok :value [[:r :x nil] [:append :y 1]]}";
    for (text, usual) in
        [(jepsen, false), (elle, true), (etcd, true), (atoll, true), (plume, true), (list, true)]
    {
        let holds = |nil| {
            let shown = shown(text, Options { nil, ..Options::default() });
            shown.contains("= nil") || shown.contains("= []")
        };
        assert_eq!(holds(None), usual, "{text}");
        assert!(holds(Some(NilRead::Absent)), "{text}");
        assert!(!holds(Some(NilRead::Unknown)), "{text}");
    }
}

#[test]
fn a_failed_swap_means_what_the_source_means_or_what_is_asked() {
    let jepsen = "{:process 0 :type :invoke :f :cas :value [1 2]}\n\
                  {:process 0 :type :fail :f :cas :value [1 2]}";
    let etcd = "INFO  jepsen.util - 1 :invoke :cas [1 2]\nINFO  jepsen.util - 1 :fail :cas [1 2]";
    let atoll = r#"{"process":1,"invoked":1,"returned":2,"op":["cas","x",1,2],"failed":true}"#;
    for (text, usual) in [(jepsen, false), (etcd, true), (atoll, false)] {
        let observed = |failed_cas| {
            let history = loaded(text, Options { failed_cas, ..Options::default() });
            matches!(history.ops(0), [Op::Cas { done: Some(false), .. }])
        };
        assert_eq!(observed(None), usual, "{text}");
        assert!(observed(Some(FailedCas::Observed)), "{text}");
        assert!(!observed(Some(FailedCas::NoEffect)), "{text}");
    }
}

#[test]
fn an_object_can_be_named() {
    let text =
        "{:process 0 :type :invoke :f :add :value 1}\n{:process 0 :type :ok :f :add :value 1}";
    let with = |object| shown(text, Options { object, ..Options::default() });
    assert_eq!(with(None), "1 0: insert(object, 1)\n");
    assert_eq!(with(Some(Object::Counter)), "1 0: add(object, 1)\n");
    let options = Options { object: Some(Object::Queue), ..Options::default() };
    assert_eq!(
        fault(text, options),
        "line 1, column 1: a queue has no operation `add`; it has enqueue, dequeue"
    );
}

#[test]
fn a_process_goes_on_after_an_unknown_outcome() {
    let text = "{:process 0 :type :invoke :f :write :value 1}\n{:process 0 :type :info :f :write}\n\
                {:process 0 :type :invoke :f :write :value 2}\n{:process 0 :type :ok :f :write}";
    let shown = shown(text, Options::default());
    assert_eq!(shown, "1 0: w(object, 1) (outcome unknown)\n3 0: w(object, 2)\n");
}

#[test]
fn forms_of_edn() {
    let text = "#some/tag ({:process +0, :type :invoke, :f :write, :value \"a \\\"b\\\" \\u00e9\"}\n\
                ; a comment with } and \"\n\
                #_ #_ [discarded] {:type :bad} {:time #inst \"2020\" :process 0 :type :ok :f :write\n\
                :value \"a \\\"b\\\" \\u00e9\" :error #{\\a \\newline \\) 1.5e3 2/3 #_ 4 sym} #_x})\n\
                ; the end";
    assert_eq!(shown(text, Options::default()), "1 0: w(object, a \"b\" \u{e9})\n");
    let big = "{:process 0 :type :invoke :f :write :value 123456789012345678901234567890N}";
    let shown = shown(big, Options::default());
    assert_eq!(shown, "1 0: w(object, 123456789012345678901234567890) (outcome unknown)\n");
}
