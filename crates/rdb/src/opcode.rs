//! The bytes that begin the items of a stream, other than value types.

/// Of Redis, from version 15 on; a value type elsewhere, though one that nobody has used.
pub(crate) const HASH_TEMPLATE: u8 = 242;
/// Of Valkey.
pub(crate) const SLOT_IMPORT: u8 = 243;
/// Of Redis.
pub(crate) const KEY_META: u8 = 243;
pub(crate) const SLOT_INFO: u8 = 244;
pub(crate) const FUNCTION: u8 = 245;
pub(crate) const FUNCTION_PRERELEASE: u8 = 246;
pub(crate) const MODULE_AUX: u8 = 247;
pub(crate) const IDLE: u8 = 248;
pub(crate) const FREQ: u8 = 249;
pub(crate) const AUX: u8 = 250;
pub(crate) const RESIZE: u8 = 251;
pub(crate) const EXPIRE_MS: u8 = 252;
pub(crate) const EXPIRE_S: u8 = 253;
pub(crate) const SELECT_DB: u8 = 254;
pub(crate) const END: u8 = 255;

/// The lowest opcode: bytes below it are value types.
pub(crate) const FIRST: u8 = HASH_TEMPLATE;
