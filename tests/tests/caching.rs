//! A client library that keeps what it has read, and believes the server when it says what to forget: redis-rs, over RESP3.

use std::time::{Duration, Instant};

use harness::process::Server;
use redis::aio::MultiplexedConnection;
use redis::caching::{CacheConfig, CacheMode};
use redis::{AsyncCommands, AsyncConnectionConfig, Client, CommandCacheConfig, RedisResult};

/// How long an invalidation may take to come.
const TIMEOUT: Duration = Duration::from_secs(20);

fn client(server: &Server) -> Client {
    Client::open(format!("redis://127.0.0.1:{}/?protocol=resp3", server.port())).expect("an address")
}

async fn caching(server: &Server, mode: CacheMode) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_cache_config(CacheConfig::new().set_mode(mode));
    client(server).get_multiplexed_async_connection_with_config(&config).await
}

fn hits(con: &MultiplexedConnection) -> usize {
    con.get_cache_statistics().expect("it caches").hit
}

/// Reads until the cache has heard that its value is old.
async fn read_until(con: &mut MultiplexedConnection, key: &str, expected: Option<&str>) -> RedisResult<()> {
    let began = Instant::now();
    loop {
        let found: Option<String> = con.get(key).await?;
        if found.as_deref() == expected {
            return Ok(());
        }
        assert!(began.elapsed() < TIMEOUT, "{key} is still {found:?}, not {expected:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn what_is_cached_is_forgotten_when_it_changes() -> RedisResult<()> {
    let server = Server::tandem().unsaved().start();
    let mut con = caching(&server, CacheMode::All).await?;
    let mut other = client(&server).get_multiplexed_async_connection().await?;
    let () = other.set("k", "1").await?;
    for expected in 0..3 {
        assert_eq!(con.get::<_, String>("k").await?, "1");
        assert_eq!(hits(&con), expected, "only the first one asks the server");
    }
    let () = other.set("k", "2").await?;
    read_until(&mut con, "k", Some("2")).await?;
    let () = other.pexpire("k", 1).await?;
    read_until(&mut con, "k", None).await?;
    let () = other.set("k", "3").await?;
    read_until(&mut con, "k", Some("3")).await?;
    let () = redis::cmd("FLUSHALL").query_async(&mut other).await?;
    read_until(&mut con, "k", None).await?;
    Ok(())
}

#[tokio::test]
async fn a_cache_that_opts_in_holds_what_it_asked_for() -> RedisResult<()> {
    let server = Server::tandem().unsaved().start();
    let mut con = caching(&server, CacheMode::OptIn).await?;
    let mut other = client(&server).get_multiplexed_async_connection().await?;
    let () = redis::pipe().set("cached", "1").set("plain", "1").query_async(&mut other).await?;
    let mut cached = redis::cmd("GET");
    cached.arg("cached").set_cache_config(CommandCacheConfig::new());
    for _ in 0..3 {
        assert_eq!(cached.query_async::<String>(&mut con).await?, "1");
        assert_eq!(con.get::<_, String>("plain").await?, "1");
    }
    assert_eq!(hits(&con), 2);
    let report: String = redis::cmd("INFO").arg("stats").query_async(&mut other).await?;
    assert!(report.contains("tracking_total_keys:1\r\n"), "{report}");
    let () = redis::pipe().set("cached", "2").set("plain", "2").query_async(&mut other).await?;
    assert_eq!(con.get::<_, String>("plain").await?, "2");
    let began = Instant::now();
    while cached.query_async::<String>(&mut con).await? != "2" {
        assert!(began.elapsed() < TIMEOUT, "the cache has not heard of it");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Several caches and several writers, with a table that is too small: in the end every cache has what the server has.
#[tokio::test]
async fn caches_agree_with_the_server_after_random_writes() -> RedisResult<()> {
    const KEYS: u64 = 40;
    let server = Server::tandem().unsaved().args(&["--tracking-table-max-keys", "25"]).start();
    let mut caches = Vec::new();
    for _ in 0..3 {
        caches.push(caching(&server, CacheMode::All).await?);
    }
    let mut writer = client(&server).get_multiplexed_async_connection().await?;
    let mut rng = fastrand::Rng::with_seed(11);
    for round in 0..2000 {
        let key = format!("k{}", rng.u64(..KEYS));
        match rng.u8(..12) {
            0 => writer.del::<_, ()>(&key).await?,
            1 => writer.pset_ex::<_, _, ()>(&key, round, 1).await?,
            2 => {
                let () =
                    redis::pipe().atomic().set(&key, round).incr(&key, 1).query_async(&mut writer).await?;
            }
            3 => {
                let script = "return redis.call('SET', KEYS[1], ARGV[1])";
                let () = redis::cmd("EVAL")
                    .arg(script)
                    .arg(1)
                    .arg(&key)
                    .arg(round)
                    .query_async(&mut writer)
                    .await?;
            }
            4 if round % 100 == 0 => redis::cmd("FLUSHDB").query_async(&mut writer).await?,
            4..8 => writer.set::<_, _, ()>(&key, round).await?,
            _ => {
                let cache = rng.usize(..caches.len());
                let _: Option<u64> = caches[cache].get(&key).await?;
            }
        }
    }
    for key in (0..KEYS).map(|number| format!("k{number}")) {
        for cache in &mut caches {
            let began = Instant::now();
            // The last thing that happens to a key may be that it expires.
            while cache.get::<_, Option<String>>(&key).await? != writer.get::<_, Option<String>>(&key).await?
            {
                assert!(began.elapsed() < TIMEOUT, "a cache and the server disagree about {key}");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    Ok(())
}
