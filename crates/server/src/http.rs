//! `/metrics`, `/livez` and `/readyz`. The handlers must be `Send` and the node is not, so they ask over a
//! channel; the answer is given after a round of the shard loop, which makes each one a proof of life.

use crate::metrics::{LogMetrics, Machine, PeerMetrics, render};
use crate::shard::{Served, Shard};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use node::Status;
use std::fmt::Write;
use std::rc::Rc;
use stdx::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// A loop that has not come round for so long is not alive.
const PATIENCE: Duration = Duration::from_secs(2);
/// Questions that may wait; more than that and the asker is told that the node is busy.
const QUESTIONS: usize = 64;

#[derive(Clone, Copy, Debug)]
enum Topic {
    Live,
    Ready,
    Metrics,
}

type Answer = (StatusCode, String);
type Question = (Topic, oneshot::Sender<Answer>);
type Questions = mpsc::Sender<Question>;

/// Serves the three pages until the runtime ends.
pub(crate) fn serve<P: Served>(listener: TcpListener, shard: Rc<Shard<P>>, log: LogMetrics) {
    let (ask, questions) = mpsc::channel(QUESTIONS);
    tokio::task::spawn_local(answer(questions, shard, log));
    let router = Router::new()
        .route("/livez", get(|State(q)| page(q, Topic::Live)))
        .route("/readyz", get(|State(q)| page(q, Topic::Ready)))
        .route("/metrics", get(|State(q)| page(q, Topic::Metrics)))
        .with_state(ask);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the http server ended");
        }
    });
}

async fn page(questions: Questions, topic: Topic) -> Response {
    let (reply, answered) = oneshot::channel();
    if questions.try_send((topic, reply)).is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the node is busy\n").into_response();
    }
    match tokio::time::timeout(PATIENCE, answered).await {
        Ok(Ok((code, body))) => {
            let kind = match topic {
                Topic::Metrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
                Topic::Live | Topic::Ready => "text/plain; charset=utf-8",
            };
            (code, [(header::CONTENT_TYPE, kind)], body).into_response()
        }
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the shard loop does not turn\n").into_response(),
    }
}

async fn answer<P: Served>(
    mut questions: mpsc::Receiver<Question>,
    shard: Rc<Shard<P>>,
    log: LogMetrics,
) {
    while let Some((topic, reply)) = questions.recv().await {
        let turned = shard.turned.notified();
        shard.wake.notify_one();
        turned.await;
        let answer = match topic {
            Topic::Live => (StatusCode::OK, "ok\n".to_owned()),
            Topic::Ready => readiness(&shard.status(), shard.draining.get()),
            Topic::Metrics => (StatusCode::OK, render(&shard.status(), machine(&shard, &log))),
        };
        // Whoever asked may have given up.
        let _ = reply.send(answer);
    }
}

/// 200 only when every replica knows a leader; else a line for each that does not, saying what is missing.
fn readiness(status: &Status, draining: bool) -> Answer {
    let mut text = String::new();
    if draining {
        text.push_str("draining: this node is stopping\n");
    }
    for replica in &status.replicas {
        let name = &replica.keyspace;
        let line = match (&replica.damaged, replica.leader) {
            (Some(place), _) => writeln!(text, "keyspace {name}: log damaged at {place}"),
            (None, None) => {
                writeln!(text, "keyspace {name}: no leader known in term {}", replica.term)
            }
            (None, Some(_)) => Ok(()),
        };
        line.expect("writing to a string cannot fail");
    }
    if status.ready && !draining {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    if text.is_empty() {
        text.push_str("starting: not every replica has heard its leader yet\n");
    }
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

fn machine<P: Served>(shard: &Shard<P>, log: &LogMetrics) -> Machine {
    let peers = shard.peers.values().map(|peer| PeerMetrics {
        peer: peer.node,
        up: peer.up(),
        dropped: peer.dropped(),
        sent: peer.sent(),
    });
    Machine {
        clients: shard.clients.borrow().len(),
        refused: shard.refused.get(),
        peers: peers.collect(),
        log: log.clone(),
    }
}

#[cfg(test)]
mod tests;
