//! What is needed: our own programs, built here, and the peers' packages, which are never installed silently.

use crate::measure;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs to run.
pub(crate) struct Tools {
    pub(crate) atoll: PathBuf,
    pub(crate) floor: PathBuf,
    pub(crate) kvload: PathBuf,
}

/// What a system needs, beside what all need.
fn needs(system: &str) -> &'static [&'static str] {
    match system {
        "redis-wait" | "redis-always" | "redis-memory" | "redis-cluster" => &["redis-server"],
        "etcd" => &["etcd", "etcdctl"],
        "zookeeper" => &["java"],
        "nats" => &["nats-server"],
        _ => &[],
    }
}

fn found(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Builds what is ours, unless something for `systems` is missing.
pub(crate) fn prepare(root: &Path, systems: &[&'static str]) -> Result<Tools, String> {
    let mut all = vec!["redis-benchmark", "redis-cli", "protoc"];
    all.extend(systems.iter().flat_map(|system| needs(system)));
    let missing: Vec<&str> = all.into_iter().filter(|program| !found(program)).collect();
    if !missing.is_empty() {
        return Err(format!(
            "not installed: {}. bench/install.sh (as root) installs Debian's packages; or leave systems out \
             with --systems",
            missing.join(", ")
        ));
    }
    let atoll = measure::binary(root)?;
    let manifest = root.join("bench/Cargo.toml");
    let target = root.join("bench/target");
    let mut build = Command::new("cargo");
    build
        .args(["build", "--release", "-p", "floor", "-p", "kvload", "--manifest-path"])
        .arg(&manifest);
    let built = build.arg("--target-dir").arg(&target).status();
    if !built.map_err(|e| format!("cargo: {e}"))?.success() {
        return Err("the drivers in bench/ do not build".to_owned());
    }
    let of = |name: &str| target.join("release").join(name);
    Ok(Tools { atoll, floor: of("floor"), kvload: of("kvload") })
}
