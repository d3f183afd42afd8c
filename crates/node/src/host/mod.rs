//! Commands that concern the instance rather than the data: sessions, transactions, persistence, replication, configuration.
//!
//! Their rows stand in the one command table of the crate `commands`; here each finds its function.

pub(crate) mod acl;
pub(crate) mod client;
pub(crate) mod commandlog;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod debug;
pub(crate) mod failover;
pub(crate) mod functions;
pub(crate) mod info;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod monitor;
pub(crate) mod multi;
pub(crate) mod persistence;
pub(crate) mod pubsub;
pub(crate) mod replication;
pub(crate) mod scripting;
pub(crate) mod synclog;

use resp::Args;

use commands::{Handler, Registry};

use crate::node::Node;
use crate::session::Session;

/// Carries a command out and writes its one reply, unless it blocks the client.
pub(crate) type HostFn = fn(&mut Node, &mut Session, Args<'_>);

/// The functions by the registry's numbering.
pub(crate) struct HostTable {
    functions: Vec<HostFn>,
}

impl HostTable {
    pub fn new(registry: &Registry) -> HostTable {
        let mut functions: Vec<HostFn> = vec![missing; registry.len()];
        for spec in registry.iter() {
            for spec in std::iter::once(spec).chain(spec.subcommands) {
                if matches!(spec.handler, Handler::Host)
                    && let Some(function) = function(spec.full_name)
                {
                    functions[registry.index(spec)] = function;
                }
            }
        }
        HostTable { functions }
    }

    pub fn len(&self) -> usize {
        self.functions.len()
    }

    #[inline]
    pub fn get(&self, index: usize) -> HostFn {
        self.functions[index]
    }
}

/// A row of the table without a function: a test makes sure that there is none.
fn missing(_: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.error("ERR this command is not available");
}

fn function(full_name: &str) -> Option<HostFn> {
    Some(match full_name {
        "acl|cat" => acl::cat,
        "acl|deluser" => acl::deluser,
        "acl|dryrun" => acl::dryrun,
        "acl|genpass" => acl::genpass,
        "acl|getuser" => acl::getuser,
        "acl|list" => acl::list,
        "acl|load" => acl::load,
        "acl|log" => acl::log,
        "acl|save" => acl::save,
        "acl|setuser" => acl::setuser,
        "acl|users" => acl::users,
        "acl|whoami" => acl::whoami,
        "auth" => connection::auth,
        "hello" => connection::hello,
        "ping" => connection::ping,
        "echo" => connection::echo,
        "quit" => connection::quit,
        "reset" => connection::reset,
        "select" => connection::select,
        "time" => connection::time,
        "multi" => multi::multi,
        "exec" => multi::exec,
        "discard" => multi::discard,
        "watch" => multi::watch,
        "unwatch" => multi::unwatch,
        "save" => persistence::save,
        "bgsave" => persistence::bgsave,
        "bgrewriteaof" => persistence::bgrewriteaof,
        "lastsave" => persistence::lastsave,
        "shutdown" => persistence::shutdown,
        "failover" => failover::failover,
        "role" => replication::role,
        "replicaof" | "slaveof" => replication::replicaof,
        "replconf" => replication::replconf,
        "replication|why" => synclog::why,
        "replication|lineage" => synclog::lineage,
        "replication|guard" => synclog::guard,
        "psync" | "sync" => replication::psync,
        "wait" => replication::wait,
        "waitaof" => replication::waitaof,
        "client|id" => client::id,
        "client|info" => client::info,
        "client|list" => client::list,
        "client|kill" => client::kill,
        "client|setname" => client::setname,
        "client|getname" => client::getname,
        "client|setinfo" => client::setinfo,
        "client|reply" => client::reply,
        "client|pause" => client::pause,
        "client|unpause" => client::unpause,
        "client|no-evict" => client::no_evict,
        "client|no-touch" => client::no_touch,
        "client|import-source" => client::import_source,
        "config|get" => config::get,
        "config|set" => config::set,
        "config|rewrite" => config::rewrite,
        "config|resetstat" => config::resetstat,
        "slowlog|get" => commandlog::slowlog_get,
        "slowlog|len" => commandlog::slowlog_len,
        "slowlog|reset" => commandlog::slowlog_reset,
        "commandlog|get" => commandlog::get,
        "commandlog|len" => commandlog::len,
        "commandlog|reset" => commandlog::reset,
        "latency|doctor" => latency::doctor,
        "latency|graph" => latency::graph,
        "latency|histogram" => latency::histogram,
        "latency|history" => latency::history,
        "latency|latest" => latency::latest,
        "latency|reset" => latency::reset,
        "monitor" => monitor::monitor,
        "readonly" => connection::readonly,
        "readwrite" => connection::readwrite,
        "memory|stats" => memory::stats,
        "memory|doctor" => memory::doctor,
        "memory|malloc-stats" => memory::malloc_stats,
        "memory|purge" => memory::purge,
        "client|unblock" => client::unblock,
        "client|capa" => client::tracking::capa,
        "client|tracking" => client::tracking::tracking,
        "client|trackinginfo" => client::tracking::trackinginfo,
        "client|caching" => client::tracking::caching,
        "client|getredir" => client::tracking::getredir,
        "subscribe" => pubsub::subscribe,
        "psubscribe" => pubsub::psubscribe,
        "ssubscribe" => pubsub::ssubscribe,
        "unsubscribe" => pubsub::unsubscribe,
        "punsubscribe" => pubsub::punsubscribe,
        "sunsubscribe" => pubsub::sunsubscribe,
        "publish" => pubsub::publish,
        "spublish" => pubsub::spublish,
        "pubsub|channels" => pubsub::channels,
        "pubsub|shardchannels" => pubsub::shardchannels,
        "pubsub|numsub" => pubsub::numsub,
        "pubsub|shardnumsub" => pubsub::shardnumsub,
        "pubsub|numpat" => pubsub::numpat,
        "eval" => scripting::eval,
        "eval_ro" => scripting::eval_ro,
        "evalsha" => scripting::evalsha,
        "evalsha_ro" => scripting::evalsha_ro,
        "script|load" => scripting::load,
        "script|exists" => scripting::exists,
        "script|flush" => scripting::flush,
        "script|show" => scripting::show,
        "script|kill" => scripting::kill,
        "script|debug" => scripting::debug,
        "fcall" => functions::fcall,
        "fcall_ro" => functions::fcall_ro,
        "function|load" => functions::load,
        "function|delete" => functions::delete,
        "function|flush" => functions::flush,
        "function|restore" => functions::restore,
        "function|dump" => functions::dump,
        "function|list" => functions::list,
        "function|stats" => functions::stats,
        "function|kill" => functions::kill,
        "debug" => debug::debug,
        "migrate" => crate::migrate::migrate,
        "info" => info::info,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_row_of_the_table_has_its_function() {
        let registry = Registry::new();
        let lacking: Vec<_> = registry
            .iter()
            .flat_map(|spec| std::iter::once(spec).chain(spec.subcommands))
            .filter(|spec| matches!(spec.handler, Handler::Host) && !spec.is_container())
            .map(|spec| spec.full_name)
            .filter(|name| function(name).is_none())
            .collect();
        assert_eq!(lacking, Vec::<&str>::new());
    }
}
