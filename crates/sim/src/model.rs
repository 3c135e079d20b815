//! The failure models by the names the literature gives them (Cristian 1991; Hadzilacos and Toueg 1994), and what
//! each one is in this world. docs/simulator.md says where they are used.

/// A way in which a system fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Model {
    /// [`crate::Fault::CrashStop`].
    CrashStop,
    /// [`crate::Fault::Crash`].
    CrashRecovery,
    /// Part of every crash: [`crate::disk::Crash::LoseAll`] and [`crate::disk::Crash::Power`].
    LostWrite,
    /// Part of a crash: [`crate::disk::Crash::Power`].
    TornWrite,
    /// [`crate::Fault::FailStop`].
    FailStop,
    /// [`crate::Fault::SendOmission`].
    SendOmission,
    /// [`crate::Fault::ReceiveOmission`].
    ReceiveOmission,
    /// [`crate::Fault::SlowNode`].
    SlowProcess,
    /// [`crate::Fault::Pause`].
    Pause,
    /// [`crate::Fault::SlowLink`].
    SlowLink,
    /// [`crate::Fault::SlowDisk`].
    SlowDisk,
    /// [`crate::Fault::Byzantine`]: a node lies as a [`crate::Byzantine`] says.
    Byzantine,
    /// [`crate::NetConfig`]'s `loss_ppm`, [`crate::Fault::Loss`].
    Loss,
    /// [`crate::Shape`], [`crate::Fault::Delay`].
    Delay,
    /// [`crate::NetConfig`]'s `duplicate_ppm`, [`crate::Fault::Duplicate`].
    Duplication,
    /// [`crate::NetConfig`]'s `reorder_ppm`, [`crate::Fault::Reorder`].
    Reordering,
    /// [`crate::Fault::Damage`].
    DamagedMessage,
    /// [`crate::Fault::Isolate`].
    Partition,
    /// [`crate::Fault::OneWay`].
    AsymmetricPartition,
    /// [`crate::Fault::Bridge`].
    PartialPartition,
    /// [`crate::Fault::Clog`].
    CloggedLink,
    /// [`crate::Fault::BitRot`].
    BitRot,
    /// [`crate::Fault::Misdirect`].
    MisdirectedWrite,
    /// [`crate::disk::Fault::StaleSector`].
    PhantomWrite,
    /// [`crate::Fault::FullDisk`].
    FullDisk,
    /// [`crate::DiskConfig`]'s `fail_ppm`, [`crate::Fault::FailSync`].
    FailingSync,
    /// [`crate::ClockConfig`]'s `skew`.
    ClockSkew,
    /// [`crate::ClockConfig`]'s `drift_ppm`.
    ClockDrift,
    /// [`crate::Fault::ClockJump`].
    ClockJump,
    /// [`crate::Ntp`].
    ClockCorrection,
}

impl Model {
    /// All.
    pub const ALL: [Model; 30] = [
        Model::CrashStop,
        Model::CrashRecovery,
        Model::LostWrite,
        Model::TornWrite,
        Model::FailStop,
        Model::SendOmission,
        Model::ReceiveOmission,
        Model::SlowProcess,
        Model::Pause,
        Model::SlowLink,
        Model::SlowDisk,
        Model::Byzantine,
        Model::Loss,
        Model::Delay,
        Model::Duplication,
        Model::Reordering,
        Model::DamagedMessage,
        Model::Partition,
        Model::AsymmetricPartition,
        Model::PartialPartition,
        Model::CloggedLink,
        Model::BitRot,
        Model::MisdirectedWrite,
        Model::PhantomWrite,
        Model::FullDisk,
        Model::FailingSync,
        Model::ClockSkew,
        Model::ClockDrift,
        Model::ClockJump,
        Model::ClockCorrection,
    ];

    /// As the literature has it.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// What it is, in a sentence.
    pub fn sentence(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Model::CrashStop => ("crash-stop", "A node stops and never comes back."),
            Model::CrashRecovery => {
                ("crash-recovery", "A node stops, forgets its memory, and starts from its disk.")
            }
            Model::LostWrite => ("lost write", "What was not synced is gone after a crash."),
            Model::TornWrite => (
                "torn write",
                "Of what was not synced some sectors are kept, some are half written.",
            ),
            Model::FailStop => {
                ("fail-stop", "A node stops for good, and every other node is told that it has.")
            }
            Model::SendOmission => ("send omission", "A node loses messages before they leave it."),
            Model::ReceiveOmission => {
                ("receive omission", "A node loses messages that have reached it.")
            }
            Model::SlowProcess => ("slow process", "A node takes its time over each input."),
            Model::Pause => ("pause", "A node does nothing for a while, and does not know it."),
            Model::SlowLink => ("slow link", "What one node sends another takes long."),
            Model::SlowDisk => ("slow disk", "A node's syncs take long."),
            Model::Byzantine => (
                "Byzantine",
                "A node equivocates, forges, replays, and is silent towards whom it likes.",
            ),
            Model::Loss => ("loss", "Messages are lost by chance."),
            Model::Delay => ("delay", "Messages take as long as a distribution says."),
            Model::Duplication => ("duplication", "Messages arrive twice."),
            Model::Reordering => ("reordering", "Messages overtake each other on one link."),
            Model::DamagedMessage => {
                ("damaged message", "A message arrives with another payload than was sent.")
            }
            Model::Partition => ("partition", "Two groups of nodes do not hear each other."),
            Model::AsymmetricPartition => {
                ("asymmetric partition", "Some nodes are heard by others that they do not hear.")
            }
            Model::PartialPartition => {
                ("partial partition", "Two groups do not hear each other; a third hears both.")
            }
            Model::CloggedLink => {
                ("clogged link", "A link holds back what it carries, and delivers it much later.")
            }
            Model::BitRot => ("bit rot", "A bit on the disk flips by itself."),
            Model::MisdirectedWrite => (
                "misdirected write",
                "A write lands elsewhere on the disk, and success is reported.",
            ),
            Model::PhantomWrite => {
                ("phantom write", "A sector is never written, and success is reported.")
            }
            Model::FullDisk => ("full disk", "A write fails for want of space."),
            Model::FailingSync => {
                ("failing sync", "A sync fails, and what it should have persisted never will be.")
            }
            Model::ClockSkew => ("clock skew", "Wall clocks show different times."),
            Model::ClockDrift => ("clock drift", "Clocks run at different rates."),
            Model::ClockJump => ("clock jump", "A wall clock is set."),
            Model::ClockCorrection => {
                ("clock correction", "Wall clocks are stepped and slewed back to the truth.")
            }
        }
    }
}
