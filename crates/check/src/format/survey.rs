//! What a file of events is about: its first events tell.

use super::Object;
use super::event::{self, Event, Notation, Phase, Step, Who};
use super::tape::{Item, Kind};

/// Whether an event is of a transaction.
pub(super) fn is_txn(event: &Event<'_>) -> bool {
    matches!(&*event.f, b"" | b"txn")
}

#[derive(Debug)]
pub(super) struct Survey {
    pub(super) object: Object,
    /// Whether values are `[key value]`.
    pub(super) independent: bool,
    /// Whether what transactions read are lists.
    pub(super) lists: bool,
}

#[derive(Debug, Default)]
struct Signs {
    object: Option<Object>,
    independent: Option<bool>,
    lists: Option<bool>,
    adds: bool,
    /// A read answered a number, or elements.
    number: bool,
    elements: bool,
}

impl Survey {
    /// Looks as far into the file as it has to. What cannot be read is for the reader to say.
    pub(super) fn of(bytes: &[u8], notation: Notation, object: Option<Object>) -> Survey {
        let mut signs = Signs { object, ..Signs::default() };
        signs.lists = match object {
            Some(Object::List) => Some(true),
            Some(_) => Some(false),
            None => None,
        };
        let _unreadable = event::each(bytes, notation, &mut |event| {
            let Some(event) = event.filter(|event| event.who != Who::Other) else {
                return Ok(Step::Next);
            };
            if is_txn(event) {
                signs.txn(event);
            } else {
                signs.plain(event);
            }
            let known = signs.lists.is_some() && is_txn(event)
                || signs.object.is_some() && signs.independent.is_some();
            Ok(if known { Step::Stop } else { Step::Next })
        });
        let guess = match (signs.adds, signs.number, signs.elements) {
            (true, true, false) => Object::Counter,
            (true, ..) | (false, _, true) => Object::Set,
            (false, _, false) => Object::Register,
        };
        Survey {
            object: signs.object.unwrap_or(guess),
            independent: signs.independent.unwrap_or(false),
            lists: signs.lists.unwrap_or(false),
        }
    }
}

impl Signs {
    fn txn(&mut self, event: &Event<'_>) {
        let parts = event.value.and_then(Item::seq).into_iter().flatten();
        for part in parts {
            let mut items = part.items();
            let name = items.next().and_then(Item::word);
            let collection = items.nth(1).is_some_and(|value| value.kind() == Kind::Seq);
            let lists = match name.as_deref() {
                Some(b"append" | b":append") => Some(true),
                Some(b"w" | b":w") => Some(false),
                _ => collection.then_some(true),
            };
            self.lists = self.lists.or(lists);
        }
    }

    fn plain(&mut self, event: &Event<'_>) {
        let pair = event.value.and_then(Item::pair);
        let told = event.value.is_some_and(|value| !value.is_nil());
        let object = match &*event.f {
            b"write" | b"cas" => Some(Object::Register),
            b"enqueue" | b"dequeue" => Some(Object::Queue),
            b"append" => Some(Object::List),
            b"add" => {
                self.adds = true;
                let value = pair.map(|(_, value)| value).or(event.value);
                let number = value.is_none_or(|value| matches!(value.kind(), Kind::Int(_)));
                (!number).then_some(Object::Set)
            }
            _ => None,
        };
        if event.phase == Phase::Invoke && self.independent.is_none() {
            self.independent = match (&*event.f, pair) {
                (b"cas", Some((_, second))) => Some(second.kind() == Kind::Seq),
                (b"read" | b"dequeue", None) => (!told).then_some(false),
                (_, pair) => Some(pair.is_some()),
            };
        }
        if &*event.f == b"read" && event.phase == Phase::Ok {
            let value = match (self.independent, pair) {
                (Some(true), Some((_, value))) => Some(value),
                _ => event.value,
            };
            match value.map(Item::kind) {
                Some(Kind::Int(_)) => self.number = true,
                Some(Kind::Seq | Kind::Set) => self.elements = true,
                _ => {}
            }
        }
        let seen = match (self.adds, self.number, self.elements) {
            (true, true, false) => Some(Object::Counter),
            (true, false, true) => Some(Object::Set),
            _ => None,
        };
        self.object = self.object.or(object).or(seen);
    }
}
