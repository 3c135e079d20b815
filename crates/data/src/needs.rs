//! What a command could look at, before it is executed: its keys, and for the few that go through keys by
//! position, so many of them that it cannot see the end of what was loaded.

use crate::db::Db;
use crate::entry::{Entry, Value};
use crate::spec::command_keys;
use crate::view::{KEYS_LIMIT, SCAN_LIMIT};
use stdx::Bytes;
use storage::{Needs, Stretch, Ticket};
use wire::resp::Args;
use wire::{Wire, decode_all};

/// So many keys may be removed while a load for a read is under way; with more it is loaded again.
const SPARE: usize = 16;

impl Db {
    /// Whether keys may have to be loaded: else there is nothing to prepare.
    pub fn misses(&self) -> bool {
        self.table.misses()
    }

    /// Adds what `args` could look at, executed with `seed`.
    pub fn needs(&self, args: &Args, seed: u64, into: &mut Needs) {
        into.keys.extend(command_keys(args).map(Bytes::from));
        let name = args.name();
        let mut from = |from, count| into.stretches.push(Stretch { from, count });
        if name.eq_ignore_ascii_case(b"keys") {
            from(0, usize::MAX);
        } else if name.eq_ignore_ascii_case(b"randomkey") {
            from(seed, 1);
            from(0, 1);
        } else if name.eq_ignore_ascii_case(b"scan")
            && let Some(cursor) = args.try_get(1)
            && let Ok(cursor) = std::str::from_utf8(cursor).unwrap_or_default().parse()
        {
            from(cursor, count_of(args).min(SCAN_LIMIT));
        }
    }

    /// Adds the keys that [`Db::expire_due`] would remove.
    pub fn needs_of_expiry(&self, now_ms: u64, limit: usize, into: &mut Needs) {
        into.keys.extend(self.due_keys(now_ms).take(limit).cloned());
    }

    /// Makes everything in `needs` resident, or answers the ticket of a load to wait for. After `Ok`, executing
    /// what they are the needs of, at `now_ms`, does not miss. A load brings what `ahead` says as well.
    pub fn prepare(
        &mut self,
        mut needs: Needs,
        now_ms: u64,
        ahead: &mut dyn FnMut() -> Vec<Bytes>,
    ) -> Result<(), u64> {
        // Of the keys that a scan meets, so many may be gone or due before it is executed; and the cursor it
        // answers is the next one's.
        let passed = needs.keys.len() + self.due(now_ms) + SPARE + 1;
        let len = self.len();
        let named = needs.keys.len();
        needs.stretches.retain_mut(|stretch| {
            if stretch.count == usize::MAX {
                // With more, KEYS is refused, whatever is removed before it is executed.
                return len.saturating_sub(named) <= KEYS_LIMIT;
            }
            stretch.count += passed;
            true
        });
        self.table.want(&needs, ahead).map_err(|Ticket(ticket)| ticket)
    }

    /// A read met the end of what was loaded for it: it is to be loaded again.
    pub fn look_again(&mut self) {
        if let crate::store::Store::Disk(table) = &mut self.table {
            table.look_again();
        }
    }
}

/// COUNT of a SCAN; if it is malformed, nothing is looked at.
fn count_of(args: &Args) -> usize {
    const USUAL: usize = 10;
    let at = (2..args.len()).step_by(2).rfind(|at| args.is(*at, "count"));
    let count = at.and_then(|at| std::str::from_utf8(args.try_get(at + 1)?).ok()?.parse().ok());
    count.unwrap_or(USUAL)
}

/// An encoded entry without the bytes of its value, as KEYS and SCAN want it; `None` if it is none.
pub fn outline(encoded: &[u8]) -> Option<Vec<u8>> {
    let entry: Entry = decode_all(encoded).ok()?;
    let value = match entry.value {
        Value::String(_) => Value::String(Bytes::from([])),
    };
    let mut out = Vec::new();
    Entry { value, ..entry }.encode(&mut out);
    Some(out)
}
