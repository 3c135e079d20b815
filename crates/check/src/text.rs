//! Histories as JSON lines, one operation each:
//!
//! ```text
//! {"process":1,"invoked":10,"returned":20,"op":["set","x","1"],"ok":"done"}
//! {"process":2,"invoked":12,"returned":15,"op":["get","x"],"ok":[null]}
//! {"process":3,"invoked":13,"returned":15,"op":["set","x","2"],"failed":true}
//! {"process":4,"invoked":14,"op":["incr","x",1],"unknown":true}
//! ```
//!
//! Empty lines and lines that start with `#` are skipped. Bytes that are not UTF-8 are `{"hex":"00ff"}`.

use crate::kv::{Command, KvOp, Reply};
use crate::register::{CounterOp, RegisterOp, RegisterResult};
use crate::{History, Operation, Outcome};
use serde_json::{Map, Value, json};
use std::fmt;
use stdx::Bytes;

/// How an operation or a result is written.
pub trait Notation: Sized {
    /// As JSON.
    fn write(&self) -> Value;
    /// From JSON; the error says what was expected.
    fn read(value: &Value) -> Result<Self, String>;
}

/// Where a history cannot be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What was expected.
    pub reason: String,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.reason)
    }
}

impl std::error::Error for TextError {}

/// A history as text.
pub fn write<O: Notation, R: Notation>(history: &History<O, R>) -> String {
    let mut text = String::new();
    for operation in &history.operations {
        text.push_str(&write_operation(operation));
        text.push('\n');
    }
    text
}

/// One operation as a line, without its end.
pub fn write_operation<O: Notation, R: Notation>(operation: &Operation<O, R>) -> String {
    let mut line = Map::new();
    line.insert("process".into(), json!(operation.process));
    line.insert("invoked".into(), json!(operation.invoked));
    if let Some(returned) = operation.returned {
        line.insert("returned".into(), json!(returned));
    }
    line.insert("op".into(), operation.op.write());
    match &operation.outcome {
        Outcome::Ok(result) => line.insert("ok".into(), result.write()),
        Outcome::Failed => line.insert("failed".into(), json!(true)),
        Outcome::Unknown => line.insert("unknown".into(), json!(true)),
    };
    Value::Object(line).to_string()
}

/// A history from text.
pub fn read<O: Notation, R: Notation>(text: &str) -> Result<History<O, R>, TextError> {
    let mut history = History::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let operation = read_operation(line).map_err(|(column, reason)| TextError {
            line: number + 1,
            column,
            reason,
        })?;
        history.operations.push(operation);
    }
    Ok(history)
}

fn read_operation<O: Notation, R: Notation>(
    line: &str,
) -> Result<Operation<O, R>, (usize, String)> {
    let value: Value = serde_json::from_str(line).map_err(|why| (why.column(), why.to_string()))?;
    let fields = value.as_object().ok_or((1, String::from("expected an object")))?;
    let known = ["process", "invoked", "returned", "op", "ok", "failed", "unknown"];
    let place = |name: &str| line.find(&format!("\"{name}\"")).map_or(1, |at| at + 1);
    if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err((place(name), format!("unknown field `{name}`; there are {known:?}")));
    }
    let number = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let expected = || (place(name), format!("`{name}`: expected a whole number"));
            value.as_u64().map(Some).ok_or_else(expected)
        }
    };
    let needed = |name: &str| (1, format!("`{name}` is missing"));
    let within = |name: &'static str| move |why: String| (name, why);
    let at = |(name, why): (&str, String)| (place(name), format!("`{name}`: {why}"));
    let outcome = match (fields.get("ok"), fields.get("failed"), fields.get("unknown")) {
        (Some(ok), None, None) => Outcome::Ok(R::read(ok).map_err(within("ok")).map_err(at)?),
        (None, Some(Value::Bool(true)), None) => Outcome::Failed,
        (None, None, Some(Value::Bool(true))) => Outcome::Unknown,
        _ => {
            let reason = "expected one of `ok`, `failed`: true and `unknown`: true";
            return Err((1, reason.into()));
        }
    };
    let op = fields.get("op").ok_or_else(|| needed("op"))?;
    let operation = Operation {
        process: number("process")?.ok_or_else(|| needed("process"))?,
        op: O::read(op).map_err(within("op")).map_err(at)?,
        invoked: number("invoked")?.ok_or_else(|| needed("invoked"))?,
        returned: number("returned")?,
        outcome,
    };
    if operation.returned.is_some_and(|end| end < operation.invoked) {
        return Err((place("returned"), "`returned`: before `invoked`".into()));
    }
    Ok(operation)
}

impl Notation for Bytes {
    fn write(&self) -> Value {
        match std::str::from_utf8(self) {
            Ok(text) => json!(text),
            Err(_) => {
                let hex: String = self.iter().map(|byte| format!("{byte:02x}")).collect();
                json!({ "hex": hex })
            }
        }
    }

    fn read(value: &Value) -> Result<Bytes, String> {
        if let Some(text) = value.as_str() {
            return Ok(Bytes::from(text.as_bytes()));
        }
        let expected = || String::from("expected a string, or {\"hex\": pairs of hex digits}");
        let hex = value.get("hex").and_then(Value::as_str).ok_or_else(expected)?;
        if hex.len() % 2 != 0 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(expected());
        }
        let pair = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).map_err(|_| expected());
        (0..hex.len()).step_by(2).map(pair).collect()
    }
}

/// Name and arguments of `[name, ...]`.
fn call(value: &Value) -> Result<(&str, &[Value]), String> {
    let expected = || String::from("expected [name, argument, ...]");
    let (name, rest) = value.as_array().and_then(|all| all.split_first()).ok_or_else(expected)?;
    Ok((name.as_str().ok_or_else(expected)?, rest))
}

fn whole(value: &Value) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| format!("expected a whole number, found {value}"))
}

fn signed(value: &Value) -> Result<i64, String> {
    value.as_i64().ok_or_else(|| format!("expected a number, found {value}"))
}

impl Notation for KvOp {
    fn write(&self) -> Value {
        let key = self.key.write();
        match &self.command {
            Command::Get => json!(["get", key]),
            Command::Del => json!(["del", key]),
            Command::Exists => json!(["exists", key]),
            Command::Set(value) => json!(["set", key, value.write()]),
            Command::SetNx(value) => json!(["setnx", key, value.write()]),
            Command::SetXx(value) => json!(["setxx", key, value.write()]),
            Command::GetSet(value) => json!(["getset", key, value.write()]),
            Command::Append(value) => json!(["append", key, value.write()]),
            Command::Incr(by) => json!(["incr", key, by]),
        }
    }

    fn read(value: &Value) -> Result<KvOp, String> {
        let (name, arguments) = call(value)?;
        let (command, key) = match (name, arguments) {
            ("get", [key]) => (Command::Get, key),
            ("del", [key]) => (Command::Del, key),
            ("exists", [key]) => (Command::Exists, key),
            ("set", [key, value]) => (Command::Set(Bytes::read(value)?), key),
            ("setnx", [key, value]) => (Command::SetNx(Bytes::read(value)?), key),
            ("setxx", [key, value]) => (Command::SetXx(Bytes::read(value)?), key),
            ("getset", [key, value]) => (Command::GetSet(Bytes::read(value)?), key),
            ("append", [key, value]) => (Command::Append(Bytes::read(value)?), key),
            ("incr", [key, by]) => (Command::Incr(signed(by)?), key),
            _ => return Err(format!("no command `{name}` with {} arguments", arguments.len())),
        };
        Ok(KvOp { key: Bytes::read(key)?, command })
    }
}

impl Notation for Reply {
    fn write(&self) -> Value {
        match self {
            Reply::Done => json!("done"),
            Reply::Refused => json!("refused"),
            Reply::Int(n) => json!(n),
            Reply::Value(value) => json!([value.as_ref().map(Notation::write)]),
        }
    }

    fn read(value: &Value) -> Result<Reply, String> {
        match value {
            Value::String(text) if text == "done" => Ok(Reply::Done),
            Value::String(text) if text == "refused" => Ok(Reply::Refused),
            Value::Number(_) => Ok(Reply::Int(signed(value)?)),
            Value::Array(one) if matches!(&one[..], [Value::Null]) => Ok(Reply::Value(None)),
            Value::Array(one) if one.len() == 1 => Ok(Reply::Value(Some(Bytes::read(&one[0])?))),
            _ => Err("expected \"done\", \"refused\", a number, [null] or [value]".into()),
        }
    }
}

impl<T: Notation> Notation for Vec<T> {
    fn write(&self) -> Value {
        Value::Array(self.iter().map(Notation::write).collect())
    }

    fn read(value: &Value) -> Result<Vec<T>, String> {
        value.as_array().ok_or("expected a list")?.iter().map(T::read).collect()
    }
}

impl Notation for RegisterOp {
    fn write(&self) -> Value {
        match self {
            RegisterOp::Read => json!(["read"]),
            RegisterOp::Write(value) => json!(["write", value]),
            RegisterOp::Cas(from, to) => json!(["cas", from, to]),
        }
    }

    fn read(value: &Value) -> Result<RegisterOp, String> {
        match call(value)? {
            ("read", []) => Ok(RegisterOp::Read),
            ("write", [value]) => Ok(RegisterOp::Write(whole(value)?)),
            ("cas", [from, to]) => Ok(RegisterOp::Cas(whole(from)?, whole(to)?)),
            (name, rest) => Err(format!("no operation `{name}` with {} arguments", rest.len())),
        }
    }
}

impl Notation for RegisterResult {
    fn write(&self) -> Value {
        match self {
            RegisterResult::Value(value) => json!([value]),
            RegisterResult::Done => json!("done"),
            RegisterResult::Swapped(swapped) => json!(swapped),
        }
    }

    fn read(value: &Value) -> Result<RegisterResult, String> {
        match value {
            Value::Bool(swapped) => Ok(RegisterResult::Swapped(*swapped)),
            Value::String(text) if text == "done" => Ok(RegisterResult::Done),
            Value::Array(one) if matches!(&one[..], [Value::Null]) => {
                Ok(RegisterResult::Value(None))
            }
            Value::Array(one) if one.len() == 1 => Ok(RegisterResult::Value(Some(whole(&one[0])?))),
            _ => Err("expected \"done\", true, false, [null] or [number]".into()),
        }
    }
}

impl Notation for CounterOp {
    fn write(&self) -> Value {
        match self {
            CounterOp::Get => json!(["get"]),
            CounterOp::Add(by) => json!(["add", by]),
        }
    }

    fn read(value: &Value) -> Result<CounterOp, String> {
        match call(value)? {
            ("get", []) => Ok(CounterOp::Get),
            ("add", [by]) => Ok(CounterOp::Add(signed(by)?)),
            (name, rest) => Err(format!("no operation `{name}` with {} arguments", rest.len())),
        }
    }
}

impl Notation for i64 {
    fn write(&self) -> Value {
        json!(self)
    }

    fn read(value: &Value) -> Result<i64, String> {
        signed(value)
    }
}
