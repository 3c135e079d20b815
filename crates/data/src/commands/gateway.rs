//! Commands that the node executes itself: connections, transactions, the server, the cluster. Only their rows
//! are here, so that COMMAND shows everything and every command's arity is checked in one place.

pub(super) mod connection {
    use crate::commands::rows;
    use crate::spec::{Group, Run};

    rows! { Group::Connection;
        "hello", -1, "noscript loading stale fast no_auth allow_busy", &[], "6.0.0",
            "O(1)", "Handshake with Redis.", Run::Gateway;
        "auth", -2, "noscript loading stale fast no_auth allow_busy",
            &[], "1.0.0",
            "O(N) where N is the number of passwords defined for the user",
            "Authenticate to the server.", Run::Gateway;
        "ping", -1, "fast", &[], "1.0.0",
            "O(1)", "Ping the server.", Run::Gateway;
        "echo", 2, "loading stale fast", &[], "1.0.0",
            "O(1)", "Echo the given string.", Run::Gateway;
        "select", 2, "loading stale fast", &[], "1.0.0",
            "O(1)", "Change the selected database for the current connection.", Run::Gateway;
        "quit", -1, "noscript loading stale fast no_auth allow_busy", &[], "1.0.0",
            "O(1)", "Close the connection.", Run::Gateway;
        "reset", 1, "noscript loading stale fast no_auth allow_busy", &[], "6.2.0",
            "O(1)", "Reset the connection.", Run::Gateway;
        "client", -2, "", &[], "2.4.0",
            "Depends on subcommand", "A container for client connection commands.", Run::Gateway;
    }
}

pub(super) mod transactions {
    use crate::commands::{key, rows};
    use crate::spec::{Group, Run};

    rows! { Group::Transactions;
        "multi", 1, "noscript loading stale fast allow_busy", &[], "1.2.0",
            "O(1)", "Mark the start of a transaction block.", Run::Gateway;
        "exec", 1, "noscript loading stale skip_slowlog",
            &[], "1.2.0",
            "Depends on commands in the transaction",
            "Execute all commands issued after MULTI.", Run::Gateway;
        "discard", 1, "noscript loading stale fast allow_busy",
            &[], "2.0.0",
            "O(N), when N is the number of queued commands",
            "Discard all commands issued after MULTI.", Run::Gateway;
        "watch", -2, "noscript loading stale fast allow_busy",
            &[key("RO", 1, -1, 1)], "2.2.0",
            "O(1) for every key",
            "Watch the given keys to determine execution of the MULTI/EXEC block.", Run::Gateway;
        "unwatch", 1, "noscript loading stale fast allow_busy", &[], "2.2.0",
            "O(1)", "Forget about all watched keys.", Run::Gateway;
    }
}

pub(super) mod server {
    use crate::commands::rows;
    use crate::spec::{Group, Run};

    rows! { Group::Server;
        "command", -1, "loading stale",
            &[], "2.8.13",
            "O(N) where N is the total number of Redis commands",
            "Get array of Redis command details.", Run::Gateway;
        "info", -1, "loading stale dangerous", &[], "1.0.0",
            "O(1)", "Get information and statistics about the server.", Run::Gateway;
        "config", -2, "", &[], "2.0.0",
            "Depends on subcommand", "A container for server configuration commands.", Run::Gateway;
        "time", 1, "loading stale fast", &[], "2.6.0",
            "O(1)", "Return the current server time.", Run::Gateway;
        "wait", 3, "noscript", &[], "3.0.0",
            "O(1)", "Wait until earlier writes of this connection are replicated.", Run::Gateway;
        "lastsave", 1, "admin loading stale fast dangerous", &[], "1.0.0",
            "O(1)", "Return the UNIX time of the last save to disk.", Run::Gateway;
    }
}

pub(super) mod cluster {
    use crate::commands::rows;
    use crate::spec::{Group, Run};

    rows! { Group::Cluster;
        "cluster", -2, "", &[], "3.0.0",
            "Depends on subcommand", "A container for cluster commands.", Run::Gateway;
        "readonly", 1, "loading stale fast", &[], "3.0.0",
            "O(1)", "Let this node's own replicas answer this connection's reads.", Run::Gateway;
        "readwrite", 1, "loading stale fast", &[], "3.0.0",
            "O(1)", "Let leaders answer this connection's reads.", Run::Gateway;
        "keyspace", -2, "", &[], "0.1.0",
            "O(1)", "Declare, change, show and explain the contract of a keyspace.", Run::Gateway;
        "atoll", -2, "", &[], "0.1.0",
            "O(1)", "A container for what only Atoll has.", Run::Gateway;
    }
}
