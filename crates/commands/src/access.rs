//! The 24-bit access word of a key: when it was last used, or how often.
//!
//! With an LRU policy (and without any) it is the time in seconds. With an LFU policy the upper 16 bits are
//! the time in minutes of the last decrement and the lower 8 a logarithmic counter, which grows the more
//! rarely the larger it is and falls by one for every `lfu-decay-time` minutes without use.

use keyspace::Entry;

use crate::Env;

/// The counter of a new key: not zero, or it would be evicted before it could earn its place.
pub const LFU_INITIAL: u32 = 5;

const WORD: u32 = 0xff_ffff;

/// The time as the word carries it.
pub fn clock(now_ms: u64, lfu: bool) -> u32 {
    if lfu { (now_ms / 60_000) as u32 & 0xffff } else { (now_ms / 1000) as u32 & WORD }
}

/// The word of a key made now.
#[inline]
pub fn fresh(env: &Env) -> u32 {
    if env.lfu { (env.clock << 8) | LFU_INITIAL } else { env.clock }
}

/// Renews the word of a key that is being used.
#[inline]
pub fn touch(entry: &Entry<'_>, env: &Env, rng: &mut fastrand::Rng) {
    if env.no_touch {
        return;
    }
    if env.lfu {
        let counter = grown(decayed(entry.access(), env), env.lfu_log_factor, rng);
        entry.set_access((env.clock << 8) | counter);
    } else {
        entry.set_access(env.clock);
    }
}

/// The counter after the decay that is due.
pub fn decayed(word: u32, env: &Env) -> u32 {
    let counter = word & 0xff;
    if env.lfu_decay_time == 0 {
        return counter;
    }
    let elapsed = (env.clock.wrapping_sub(word >> 8)) & 0xffff;
    counter.saturating_sub(elapsed / env.lfu_decay_time)
}

/// The counter after one more use.
fn grown(counter: u32, log_factor: u32, rng: &mut fastrand::Rng) -> u32 {
    if counter >= 255 {
        return 255;
    }
    let base = f64::from(counter.saturating_sub(LFU_INITIAL));
    let chance = 1.0 / (base * f64::from(log_factor) + 1.0);
    if rng.f64() < chance { counter + 1 } else { counter }
}

/// Seconds since the key was used, from an LRU word.
pub fn idle_seconds(word: u32, env: &Env) -> u64 {
    u64::from(env.clock.wrapping_sub(word) & WORD)
}

/// Minutes since the counter of an LFU word was last written, which is when the key was last used.
pub fn idle_minutes(word: u32, env: &Env) -> u64 {
    u64::from(env.clock.wrapping_sub(word >> 8) & 0xffff)
}

/// The word that says "unused for so many seconds".
pub fn idle_word(seconds: u64, env: &Env) -> u32 {
    env.clock.wrapping_sub(seconds.min(u64::from(WORD)) as u32) & WORD
}

/// The word with this counter.
pub fn freq_word(counter: u8, env: &Env) -> u32 {
    (env.clock << 8) | u32::from(counter)
}
