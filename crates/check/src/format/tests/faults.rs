//! What cannot be read: where, and why.

use crate::format::{Format, Options, read};

fn fault(text: &str) -> String {
    read(text.as_bytes(), &Options::default()).expect_err(text).to_string()
}

/// Pairs of a bad history and what is said of it.
const FAULTS: &[(&str, &str)] = &[
    ("", "line 1, column 1: this looks like no history; the formats are atoll, "),
    ("\n\n  hello\n", "line 3, column 3: this looks like no history"),
    // Pairs of invocation and completion.
    (
        "{:type :invoke :process 1 :f :write :value 1}\n {:type :invoke :process 1 :f :read}",
        "line 2, column 2: process 1 begins an operation, but the one of line 1 has no completion",
    ),
    (
        "{:type :invoke :process 1 :f :write :value 1}\n{:type :ok :process 1 :f :write :value 1}\n\
         {:type :ok :process 1 :f :write :value 1}",
        "line 3, column 1: process 1 completes an operation, but none is under way",
    ),
    (
        "{:type :ok :process 1 :f :read :value 1}",
        "line 1, column 1: process 1 completes an operation, but none is under way",
    ),
    (
        "{:type :invoke :process 1 :f :write :value 1}\n{:type :ok :process 1 :f :write :value 2}",
        "line 2, column 1: this completes something else than line 1 began",
    ),
    (
        "{:type :invoke :process 1 :f :write :value 1}\n{:type :ok :process 1 :f :read :value 2}",
        "line 2, column 1: this completes something else than line 1 began",
    ),
    (
        "{:type :invoke :process 1 :f :txn :value [[:w 1 1]]}\n\
         {:type :ok :process 1 :f :txn :value [[:w 1 1] [:w 2 2]]}",
        "line 2, column 1: this completes something else than line 1 began",
    ),
    (
        "{:type :invoke :process 1 :f :txn :value [[:w 1 1]]}\n{:type :ok :process 1 :f :txn}",
        "line 2, column 1: no `value`",
    ),
    (
        "{:type :ok :value [[:w 1 1]]}\n{:type :invoke :value [[:w 1 2]]}",
        "line 2, column 1: an invocation, after a completion that had none",
    ),
    (
        "{:index 4 :type :invoke :process 1 :f :read}\n{:index 3 :type :ok :process 1 :f :read}",
        "line 2, column 1: index 3 after index 4: the file is out of order",
    ),
    // Operations.
    ("{:type :maybe :process 1 :f :read}", "line 1, column 8: expected the type `invoke`, "),
    ("{:process 1 :f :read}", "line 1, column 1: an operation without `type`"),
    ("{:type :invoke :f :read}", "line 1, column 1: an operation without `process`"),
    (
        "{:type :invoke :process 1 :f :transfer :value 3}",
        "line 1, column 1: a register has no operation `transfer`; it has read, write, cas",
    ),
    ("{:type :invoke :process 1 :f :cas :value 3}", "line 1, column 42: expected `[from to]`"),
    (
        "{:type :invoke :process 1 :f :txn :value [[:append 1 1] [:w 2 1]]}",
        "line 1, column 57: a history either appends to lists or writes registers, not both",
    ),
    (
        "{:type :invoke :process 1 :f :txn :value [[:w 1 nil]]}",
        "line 1, column 43: expected `[:r key value]`",
    ),
    (
        "{:type :invoke :process 1 :f :read}\n{:type :ok :process 1 :f :read :value #{1 2 1}}",
        "line 2, column 39: a set that holds `1` twice",
    ),
    // EDN.
    ("{:type :invoke", "line 1, column 1: opened here, never closed with `}`"),
    (
        "[{:type :invoke :process 1 :f :read}",
        "line 1, column 1: opened here, never closed with `]`",
    ),
    ("{:type :invoke]", "line 1, column 15: `]` where `}` is due"),
    ("{:type :invoke :f}", "line 1, column 1: a map with a key that has no value"),
    ("{:a \"\u{e9}\\q\"}", "line 1, column 7: no such escape in a string"),
    ("{:type 1x}", "line 1, column 8: not a number"),
    // JSON.
    (
        "[{\"type\":\"invoke\",\"process\":1,\"value\":[[\"w\",1,1]]} {}]",
        "line 1, column 52: expected `,`",
    ),
    (
        "{\"process\":1,\"invoked\":1,\"returned\":2,\"op\":[\"get\",\"x\"],\"ok\":[null]} {}",
        "line 1, column 69: expected the end of the line",
    ),
    ("{\"process\":1,\"op\":[\"get\",\"x\"]}", "line 1, column 1: expected one of `ok`, `failed`"),
    ("{\"process\":1,\"op\":[\"get\"],\"ok\":[1]}", "line 1, column 19: no operation `get` with 0"),
    ("{\"process\":1,\"op\":[\"get\",1],\"ok\":1}", "line 1, column 34: expected `[value]` or"),
    (
        "{\"process\":1,\"invoked\":5,\"returned\":4,\"op\":[\"get\",1],\"ok\":[1]}",
        "line 1, column 37: `returned` is before `invoked`",
    ),
    (
        "{\"process\":1,\"invoked\":1,\"returned\":9,\"op\":[\"get\",1],\"ok\":[1]}\n\
         {\"process\":1,\"invoked\":5,\"returned\":7,\"op\":[\"get\",1],\"ok\":[1]}",
        "line 2, column 1: process 1 begins this while the operation of line 1 is under way",
    ),
    (
        "{\"process\":1,\"op\":[\"set\",1,1],\"ok\":\"done\"}\n\
         {\"process\":1,\"op\":[\"push\",1,1],\"ok\":\"done\"}",
        "line 2, column 27: key `1` is a register above and a list here",
    ),
    // Lines.
    ("r(1,2,3)", "line 1, column 7: expected `r(key,value,session,transaction)`"),
    ("w(1,2,3,4)\nw(1,3,4,4)", "line 2, column 1: transaction 4 is of session 3 in line 1"),
    ("w(1,-2,3,4)", "line 1, column 5: expected a whole number"),
    ("0\t:invoke\t:read\tnil\nnoise", "line 2, column 1: expected the number of a process"),
    ("0\t:invoke\t:read\tnil\n0\t:bad\t:read\tnil", "line 2, column 3: expected `:invoke`"),
];

#[test]
fn bad_histories_are_named() {
    for (text, expected) in FAULTS {
        let said = fault(text);
        assert!(said.starts_with(expected), "{text}\nexpected: {expected}\nsaid: {said}");
    }
}

#[test]
fn nothing_is_no_history() {
    for format in Format::ALL {
        let options = Options { format: Some(format), ..Options::default() };
        let said = read(b"\n", &options).expect_err("nothing").to_string();
        assert!(said.contains("there is no operation here"), "{said}");
    }
}
