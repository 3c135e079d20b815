//! KEYSPACE, and how a declaration is carried through so that no acknowledged write becomes unreachable.
//!
//! 1. The catalog announces the name under a new epoch: from then on no gateway that knows it sends keys with
//!    that prefix anywhere.
//! 2. The catalog's leader has every active group commit a fence: gateways that do not know the epoch yet are
//!    refused there, so from the fence on no key with the prefix appears.
//! 3. It counts the keys that have the prefix; only now, when their number cannot grow.
//! 4. The catalog activates the keyspace, or refuses it with the count.
//!
//! If the leader fails in between, the next one starts again at 2; every step may be repeated.

use super::pump::Known;
use super::{Busy, Owner, What};
use crate::api::ConnId;
use crate::catalog::{CATALOG_GROUP, Change, Keyspace, Refusal};
use crate::contract::{self, Contract};
use crate::message::GroupId;
use crate::proposal::{Operation, Outcome};
use crate::state::Node;
use alloc::collections::VecDeque;
use protocol::Effects;
use stdx::{Instant, Now};
use wire::resp::{Args, Reply};

/// A keyspace on its way, driven by the catalog's leader.
#[derive(Clone, Debug)]
pub(crate) struct Declaration {
    epoch: u64,
    /// Groups not yet done with; the first is being fenced, then counted.
    groups: VecDeque<(GroupId, String)>,
    step: Step,
    found: u64,
    /// The one request under way: answers to any other are of an earlier attempt.
    op: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Fence,
    Count,
    Decide,
}

impl Node {
    /// KEYSPACE CREATE | LIST | SHOW | HELP.
    pub(crate) fn keyspace(
        &mut self,
        now: Now,
        id: ConnId,
        (spec, args): Known,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        let fresh = self.gateway.conns[&id].fresh;
        if args.is(1, "create") && args.len() >= 3 {
            let (name, contract) = self.declarable(&args, 2)?;
            self.declare(now, id, (name, Some(contract)), vec![args], out);
            return Ok(());
        }
        let lists = args.is(1, "list") && args.len() == 2;
        let shows = args.is(1, "show") && args.len() == 3;
        if !lists && !shows {
            return Err(Reply::err(format!(
                "ERR usage: {} CREATE name [clause ...] | LIST | SHOW name",
                spec.name.to_uppercase()
            )));
        }
        if !fresh {
            self.refresh(now, id, args, out);
            return Ok(());
        }
        let reply = if lists {
            let name = |k: &Keyspace| Reply::bulk(k.name.as_bytes());
            Reply::Array(self.catalog().iter().filter(|k| k.active).map(name).collect())
        } else {
            let name = text(args.get(2));
            match self.catalog().get(&name) {
                Some(keyspace) => self.show(now, keyspace),
                None => Reply::err(format!("ERR no such keyspace: {name}")),
            }
        };
        let conn = self.gateway.conns.get_mut(&id).expect("pumped");
        conn.fresh = false;
        conn.reply(&reply);
        Ok(())
    }

    /// What `keyspace show` prints: the contract, who serves it, and its side of the trade-off.
    fn show(&self, now: Now, keyspace: &Keyspace) -> Reply {
        let contract = &keyspace.contract;
        let group = self.groups.get(&keyspace.group);
        let members: Vec<String> =
            keyspace.members.iter().map(|(_, node)| node.to_string()).collect();
        let leader = group.and_then(|g| g.leader_node());
        let mut rows: Vec<(&str, Reply)> = vec![
            ("name", Reply::bulk(&keyspace.name)),
            ("contract", Reply::bulk(contract.to_string())),
            ("state", Reply::bulk(self.state(keyspace))),
            ("group", Reply::int(keyspace.group.cast_signed())),
            ("replicas", Reply::bulk(members.join(" "))),
            ("leader", leader.map_or(Reply::Null, |node| Reply::bulk(node.to_string()))),
        ];
        if let Some(group) = group {
            let (heard, of, needs) = group.quorum(now);
            rows.push(("term", Reply::int(group.raft.term().cast_signed())));
            rows.push(("applied", Reply::int(group.machine.applied().cast_signed())));
            rows.push(("heard", Reply::bulk(format!("{heard} of {of}, needs {needs}"))));
        }
        rows.push(("cap", Reply::bulk(contract.cap().to_string())));
        rows.push(("pacelc", Reply::bulk(contract.pacelc())));
        Reply::Map(rows.into_iter().map(|(key, value)| (Reply::bulk(key), value)).collect())
    }

    fn state(&self, keyspace: &Keyspace) -> &'static str {
        match (keyspace.active, self.catalog().is_sealed(&keyspace.name)) {
            (false, _) => "being declared",
            (true, true) => "being restored",
            (true, false) => "active",
        }
    }

    /// Declares a keyspace on behalf of a connection: by KEYSPACE CREATE, or implicitly (no contract given)
    /// because something is about to be written there.
    pub(crate) fn declare(
        &mut self,
        now: Now,
        id: ConnId,
        (name, contract): (String, Option<Contract>),
        commands: Vec<Args>,
        out: &mut Effects<Node>,
    ) {
        let implicit = contract.is_none();
        let members = u16::try_from(self.config.members.len()).unwrap_or(u16::MAX);
        let contract = contract.unwrap_or_else(|| Contract::standard(members));
        let change = Change::Create { name: name.clone(), contract };
        self.announce(now, id, (name, implicit, change), commands, out);
    }

    /// Asks the catalog to announce a keyspace, and waits for its fate.
    pub(crate) fn announce(
        &mut self,
        now: Now,
        id: ConnId,
        (name, implicit, change): (String, bool, Change),
        commands: Vec<Args>,
        out: &mut Effects<Node>,
    ) {
        self.wait(now, id, What::Announce { name, implicit }, commands);
        let parts = vec![(CATALOG_GROUP, Vec::new(), Operation::Catalog(change))];
        self.send_parts(now, id, true, parts, out);
    }

    /// A name and a contract's clauses, from argument `at` on, that this cluster can serve.
    pub(crate) fn declarable(&self, args: &Args, at: usize) -> Result<(String, Contract), Reply> {
        let name = text(args.get(at));
        contract::check_name(&name).map_err(|e| Reply::err(format!("ERR {e}")))?;
        let words: Vec<&[u8]> = args.iter().skip(at + 1).collect();
        let members = u16::try_from(self.config.members.len()).unwrap_or(u16::MAX);
        let contract = contract::parse(&words, members)
            .and_then(|contract| contract::built(&contract, members).map(|()| contract))
            .map_err(|e| Reply::err(format!("ERR {e}")))?;
        Ok((name, contract))
    }

    /// The catalog has answered an announcement.
    pub(crate) fn announced(
        &mut self,
        now: Now,
        id: ConnId,
        (name, implicit): (String, bool),
        busy: Busy,
        out: &mut Effects<Node>,
    ) {
        let Busy { commands, parts, deadline, .. } = busy;
        let reply = parts.into_iter().next().and_then(|part| part.replies.into_iter().next());
        self.conn(id).limit = Some(deadline);
        match reply {
            Some(Reply::Int(epoch)) => {
                let epoch = epoch.unsigned_abs();
                self.wait(now, id, What::Decide { name, epoch, implicit }, commands);
                self.gateway.waiting.insert(id);
                self.wake_waiting();
            }
            // Somebody else was faster: wait until this node knows, then go on.
            Some(Reply::Error(text)) if implicit && text.contains("exists") => {
                self.refresh_again(now, (id, deadline), commands, out);
            }
            reply => {
                let conn = self.gateway.conns.get_mut(&id).expect("still open");
                let reply = reply.unwrap_or_else(|| Reply::err("ERR no answer from the catalog"));
                commands.iter().for_each(|args| conn.failed(args, &reply));
                self.gateway.ready.push_back(id);
            }
        }
    }

    fn refresh_again(
        &mut self,
        now: Now,
        (id, deadline): (ConnId, Instant),
        commands: Vec<Args>,
        out: &mut Effects<Node>,
    ) {
        self.conn(id).limit = Some(deadline);
        self.wait(now, id, What::Refresh, commands);
        let parts = vec![(CATALOG_GROUP, Vec::new(), Operation::Barrier)];
        self.send_parts(now, id, false, parts, out);
    }

    /// The catalog has moved: replicas are created, waiting connections go on, declarations are driven.
    pub(crate) fn catalog_changed(&mut self, now: Now, out: &mut Effects<Node>) {
        self.create_replicas(now, out);
        self.wake_waiting();
        self.drive_declarations(now, out);
    }

    /// Connections whose wait for the catalog is over.
    pub(crate) fn wake_waiting(&mut self) {
        let waiting: Vec<ConnId> = self.gateway.waiting.iter().copied().collect();
        for id in waiting {
            let conn = &self.gateway.conns[&id];
            let busy = conn.busy.as_ref().expect("a waiting connection waits for something");
            let verdict = match &busy.what {
                What::Epoch { epoch, .. } => (self.catalog().epoch >= *epoch).then_some(Ok(None)),
                What::Decide { name, epoch, implicit } => {
                    self.fate(name, *epoch).map(|fate| fate.map(|()| Some(*implicit)))
                }
                _ => None,
            };
            let Some(verdict) = verdict else { continue };
            let busy = self.release(id).expect("just seen");
            let conn = self.gateway.conns.get_mut(&id).expect("just seen");
            match verdict {
                Ok(None | Some(true)) => {
                    conn.fresh = matches!(busy.what, What::Epoch { fresh: true, .. });
                    conn.requeue(busy.commands, Some(busy.deadline));
                }
                Ok(Some(false)) => conn.reply(&Reply::ok()),
                Err(refusal) => {
                    busy.commands.iter().for_each(|args| conn.failed(args, &refusal));
                }
            }
            self.gateway.ready.push_back(id);
        }
    }

    /// What became of a declaration, as far as this node knows.
    fn fate(&self, name: &str, epoch: u64) -> Option<Result<(), Reply>> {
        if let Some(keyspace) = self.catalog().get(name)
            && keyspace.epoch == epoch
        {
            return keyspace.active.then_some(Ok(()));
        }
        let refusal = self.catalog().refusal(name)?;
        (refusal.epoch == epoch).then(|| {
            Err(Reply::err(format!(
                "ERR keyspace {name} is refused: {} keys of keyspace {} begin with `{name}:` and would become \
                 unreachable; rename or delete them first",
                refusal.keys, refusal.holder
            )))
        })
    }

    /// On the catalog's leader: takes up every declaration that is under way, drops them elsewhere.
    pub(crate) fn drive_declarations(&mut self, now: Now, out: &mut Effects<Node>) {
        if !self.groups.get(&CATALOG_GROUP).is_some_and(|group| group.raft.is_leading()) {
            self.gateway.declarations.clear();
            return;
        }
        let pending: Vec<(String, u64)> = self
            .catalog()
            .iter()
            .filter(|k| !k.active)
            .map(|k| (k.name.clone(), k.epoch))
            .collect();
        self.gateway
            .declarations
            .retain(|name, d| pending.iter().any(|(n, epoch)| n == name && *epoch == d.epoch));
        for (name, epoch) in pending {
            if self.gateway.declarations.contains_key(&name) {
                continue;
            }
            let active = self.catalog().iter().filter(|k| k.active);
            let groups = active.map(|k| (k.group, k.name.clone())).collect();
            let declaration = Declaration { epoch, groups, step: Step::Fence, found: 0, op: 0 };
            self.gateway.declarations.insert(name.clone(), declaration);
            self.declaration_request(now, &name, None, out);
        }
    }

    /// Makes the next request of a declaration.
    fn declaration_request(
        &mut self,
        now: Now,
        name: &str,
        cursor: Option<u64>,
        out: &mut Effects<Node>,
    ) {
        let Some(declaration) = self.gateway.declarations.get_mut(name) else { return };
        let epoch = declaration.epoch;
        let (group, write, operation) = match (declaration.groups.front(), declaration.step) {
            (Some((group, _)), Step::Fence) => {
                (*group, true, Operation::Fence { name: name.into(), epoch })
            }
            (Some((group, _)), Step::Count) => {
                let cursor = cursor.unwrap_or(0);
                (*group, false, Operation::CountPrefix { name: name.into(), cursor })
            }
            (holder, _) => {
                let keys = declaration.found;
                let change = match holder {
                    Some((_, holder)) if keys > 0 => Change::Refuse {
                        name: name.into(),
                        refusal: Refusal { epoch, keys, holder: holder.clone() },
                    },
                    _ => Change::Activate { name: name.into(), epoch },
                };
                declaration.step = Step::Decide;
                (CATALOG_GROUP, true, Operation::Catalog(change))
            }
        };
        let owner = Owner::Declaration(name.into());
        // The answer may come before the number is known here: it is the next one given out.
        declaration.op = self.gateway.next + 1;
        self.request(now, group, (owner, write, operation), out);
    }

    /// A request of a declaration is answered.
    pub(crate) fn declaration_step(
        &mut self,
        now: Now,
        (name, number): (&str, u64),
        outcome: Outcome,
        out: &mut Effects<Node>,
    ) {
        let Some(declaration) = self.gateway.declarations.get_mut(name) else { return };
        if declaration.op != number {
            return; // Of an earlier attempt.
        }
        let mut cursor = None;
        match (declaration.step, outcome) {
            (Step::Fence, Outcome::Done(_)) => declaration.step = Step::Count,
            (Step::Count, Outcome::Done(replies)) => {
                let (Some(Reply::Int(count)), Some(Reply::Bulk(digits))) =
                    (replies.first(), replies.get(1))
                else {
                    return; // Not a count: nothing is concluded from it, and the next leader asks again.
                };
                declaration.found += count.unsigned_abs();
                let next = text(digits).parse().unwrap_or(0);
                if next != 0 {
                    cursor = Some(next); // The count goes on to the end, so that the refusal names it.
                } else if declaration.found == 0 {
                    declaration.groups.pop_front();
                    declaration.step = Step::Fence;
                } else {
                    declaration.step = Step::Decide;
                }
            }
            (Step::Decide, Outcome::Done(_)) => return, // The catalog has moved; it is dropped there.
            (_, Outcome::Stale(_) | Outcome::Forgotten | Outcome::NotLeader(_)) => {}
        }
        self.declaration_request(now, name, cursor, out);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
