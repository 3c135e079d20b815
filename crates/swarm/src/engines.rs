//! The engines of tables on disk, one for each life of a node, on scratch disks of their own. What is asked is
//! done at once; the answer is late, as the answer of a thread beside the node would be.

use crate::report::Verdict;
use crate::run::{Run, Token};
use sim::SimDisk;
use std::collections::{BTreeMap, VecDeque};
use stdx::{Duration, Instant, NodeId, Planted, Prng};
use storage::{Answer, Ask, Engine, EngineConfig};

/// Pages of a table that redb keeps: few, so that it reads.
const PAGE_BYTES: usize = 16 << 10;

/// All of them.
#[derive(Debug)]
pub(crate) struct Engines {
    of: BTreeMap<NodeId, Beside>,
    prng: Prng,
    planted: Planted,
}

/// One, and what it has answered that its node has not heard.
#[derive(Debug)]
struct Beside {
    engine: Engine<SimDisk>,
    answers: VecDeque<Answer>,
    /// When the last of them is heard.
    last: Instant,
}

impl Engines {
    pub(crate) fn new(seed: u64, planted: Planted) -> Engines {
        Engines { of: BTreeMap::new(), prng: Prng::new(seed).fork(103), planted }
    }

    /// With its node goes all it held.
    pub(crate) fn gone(&mut self, node: NodeId) {
        self.of.remove(&node);
    }

    /// When the answer is heard, if there is one.
    fn carry_out(
        &mut self,
        node: NodeId,
        ask: Ask,
        now: Instant,
    ) -> Result<Option<Instant>, String> {
        let config =
            EngineConfig { page_bytes: PAGE_BYTES, outline: data::outline, planted: self.planted };
        let beside = match self.of.remove(&node) {
            Some(beside) => self.of.entry(node).or_insert(beside),
            None => {
                let engine =
                    Engine::new(SimDisk::new(), config).map_err(|error| error.to_string())?;
                let beside = Beside { engine, answers: VecDeque::new(), last: now };
                self.of.entry(node).or_insert(beside)
            }
        };
        let answer = beside.engine.carry_out(ask).map_err(|error| error.to_string())?;
        let Some(answer) = answer else { return Ok(None) };
        beside.answers.push_back(answer);
        let slow = self.prng.chance(1, 20);
        let most = Duration::from_micros(if slow { 20_000 } else { 400 });
        beside.last = beside.last.max(now) + self.prng.span(Duration::from_micros(20), most);
        Ok(Some(beside.last))
    }
}

impl Run<'_> {
    pub(crate) fn asked(&mut self, node: NodeId, ask: Ask) -> Result<(), Verdict> {
        let kind = match &ask {
            Ask::Load { .. } => "loads of tables on disk",
            Ask::Write { .. } => "batches written to tables on disk",
            Ask::Freeze { .. } => "tables on disk frozen",
            Ask::Clear { .. } | Ask::Chunk { .. } | Ask::Thaw { .. } | Ask::Drop { .. } => "other",
        };
        if kind != "other" {
            self.counters.add(kind, 1);
        }
        let due = self.engines.carry_out(node, ask, self.world.now()).map_err(Verdict::Unsafe)?;
        if let Some(due) = due {
            self.world.at(due, Token::Engine(node).pack());
        }
        Ok(())
    }

    /// The node hears the oldest answer; again later, if its queue is full.
    pub(crate) fn engine_done(&mut self, node: NodeId) {
        let Some(beside) = self.engines.of.get_mut(&node) else { return };
        let Some(answer) = beside.answers.pop_front() else { return };
        if !self.world.is_up(node) {
            return;
        }
        if let Err(node::Request::Table(back)) =
            self.world.request(node, node::Request::Table(answer))
        {
            let beside = self.engines.of.get_mut(&node).expect("just seen");
            beside.answers.push_front(back);
            let again = self.world.now() + Duration::from_millis(1);
            self.world.at(again, Token::Engine(node).pack());
        }
    }
}
