//! `atoll serve`: one node of a cluster of processes.

use crate::args::Serve;
use crate::config::Config;
use crate::logging::{self, Format, Level};
use crate::{Failure, nodes};
use server::{Addresses, Listeners, NodeOptions, Peer};

pub(crate) fn run(args: &Serve) -> Result<(), Failure> {
    let file = &args.config;
    let text = std::fs::read_to_string(file)
        .map_err(|e| format!("cannot read the configuration {}: {e}", file.display()))?;
    let config = Config::parse(&file.display().to_string(), &text).map_err(|e| e.to_string())?;
    let level = config.log_level.unwrap_or(Level::Info);
    logging::start(args.log, level, config.log_format.unwrap_or(Format::Text));
    if let Some(advice) = nodes::advice(config.join.len()) {
        tracing::warn!("{advice}");
    }
    let addresses = Addresses { client: config.client, peer: config.peer, http: config.http };
    let listeners =
        Listeners::bind(&addresses, config.requirepass.is_some()).map_err(|e| e.to_string())?;
    let handle = server::start(options(config), listeners).map_err(|e| e.to_string())?;
    let Addresses { client, peer, http } = handle.addresses();
    let http = http.map(tracing::field::display);
    tracing::info!(version = nodes::VERSION, %client, %peer, http, "started");
    nodes::runtime()?.block_on(async {
        let mut signals = nodes::Signals::listen()?;
        tokio::select! {
            signal = signals.next() => tracing::info!(signal, "draining"),
            () = handle.ended() => {}
        }
        Ok::<_, Failure>(())
    })?;
    nodes::stop(vec![handle])?;
    tracing::info!("stopped");
    Ok(())
}

fn options(file: Config) -> NodeOptions {
    let members = file.join.iter().map(|m| node::Member { node: m.node, client: m.client.clone() });
    let mut config = nodes::config(&file.cluster, file.node, members.collect());
    config.request_timeout = file.request_timeout;
    config.requirepass = file.requirepass;
    config.max_value = file.max_value;
    config.snapshot_bytes = file.snapshot_bytes;
    config.transfer_rate = file.transfer_rate;
    config.tables = nodes::tables(file.memory);
    config.default_contract = file.default_contract;
    let peers = file.join.into_iter().map(|m| Peer { node: m.node, address: m.peer });
    let mut options = NodeOptions::new(config, file.dir, peers.collect());
    options.brake = file.test_brake;
    if let Some(max_clients) = file.max_clients {
        options.max_clients = max_clients;
    }
    options
}
