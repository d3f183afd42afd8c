//! Places on the globe: sorted sets whose scores are geohashes.

mod distance;
mod hash;
mod look;
mod options;
mod search;
mod shape;

use crate::keys::{Begin, Find, KeyFlags};
use crate::row::*;

const GROUP: &str = "geo";

/// The key after the last word that names a destination, if it is this one.
const fn destination(word: &'static str, from: u16) -> KeySpec {
    KeySpec {
        begin: Begin::LastStore(word, from),
        find: Find::Range { last: 0, step: 1, limit: 0 },
        flags: KeyFlags::from_bits_retain(OW | UPDATE | VARIABLE),
        notes: "",
    }
}

const KEY: &[KeySpec] = &[KeySpec::one(1, RO | ACCESS)];
const RADIUS_KEYS: &[KeySpec] =
    &[KeySpec::one(1, RO | ACCESS), destination("STORE", 6), destination("STOREDIST", 6)];
const BY_MEMBER_KEYS: &[KeySpec] =
    &[KeySpec::one(1, RO | ACCESS), destination("STORE", 5), destination("STOREDIST", 5)];

const SEARCH_COST: &str =
    "O(N+log(M)), N being the number of members in the cells around the area and M that of all members";

pub(crate) const ROWS: &[CommandSpec] = &[
    data("geoadd", -5, GROUP, "3.2.0", look::geoadd)
        .flags(WRITE | DENYOOM)
        .acl(Acl::GEO)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(
            "key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
            "Adds members at places on the globe, or moves them there.",
            "O(log(N)) for each member, N being the number of members",
        ),
    data("geodist", -4, GROUP, "3.2.0", look::geodist)
        .flags(READONLY)
        .acl(Acl::GEO)
        .keys(KEY)
        .doc("key member1 member2 [M | KM | FT | MI]", "Returns the distance between two members.", "O(1)"),
    data("geohash", -2, GROUP, "3.2.0", look::geohash)
        .flags(READONLY)
        .acl(Acl::GEO)
        .keys(KEY)
        .doc(
            "key [member [member ...]]",
            "Returns the places of members as geohash strings.",
            "O(1) for each member",
        ),
    data("geopos", -2, GROUP, "3.2.0", look::geopos)
        .flags(READONLY)
        .acl(Acl::GEO)
        .keys(KEY)
        .doc(
            "key [member [member ...]]",
            "Returns the longitudes and latitudes of members.",
            "O(1) for each member",
        ),
    data("georadius", -6, GROUP, "3.2.0", search::georadius)
        .flags(WRITE | DENYOOM)
        .acl(Acl::GEO)
        .keys(RADIUS_KEYS)
        .doc(
            "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] \
             [ASC | DESC] [STORE key | STOREDIST key]",
            "Returns or stores the members around a place.",
            SEARCH_COST,
        ),
    data("georadius_ro", -6, GROUP, "3.2.10", search::georadius_ro)
        .flags(READONLY)
        .acl(Acl::GEO)
        .keys(KEY)
        .doc(
            "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] \
             [ASC | DESC]",
            "Returns the members around a place.",
            SEARCH_COST,
        ),
    data("georadiusbymember", -5, GROUP, "3.2.0", search::georadiusbymember)
        .flags(WRITE | DENYOOM)
        .acl(Acl::GEO)
        .keys(BY_MEMBER_KEYS)
        .doc(
            "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] \
             [STORE key | STOREDIST key]",
            "Returns or stores the members around a member.",
            SEARCH_COST,
        ),
    data("georadiusbymember_ro", -5, GROUP, "3.2.10", search::georadiusbymember_ro)
        .flags(READONLY)
        .acl(Acl::GEO)
        .keys(KEY)
        .doc(
            "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
            "Returns the members around a member.",
            SEARCH_COST,
        ),
    data("geosearch", -7, GROUP, "6.2.0", search::geosearch)
        .flags(READONLY)
        .acl(Acl::GEO)
        .keys(KEY)
        .doc(
            "key [FROMMEMBER member | FROMLONLAT longitude latitude] [BYRADIUS radius unit | BYBOX width height unit | \
             BYPOLYGON num-vertices longitude latitude [longitude latitude ...]] [ASC | DESC] [COUNT count [ANY]] \
             [WITHCOORD] [WITHDIST] [WITHHASH]",
            "Returns the members in a circle, a box or a polygon.",
            SEARCH_COST,
        ),
    data("geosearchstore", -8, GROUP, "6.2.0", search::geosearchstore)
        .flags(WRITE | DENYOOM)
        .acl(Acl::GEO)
        .keys(&[KeySpec::one(1, OW | UPDATE), KeySpec::one(2, RO | ACCESS)])
        .doc(
            "destination source [FROMMEMBER member | FROMLONLAT longitude latitude] [BYRADIUS radius unit | \
             BYBOX width height unit | BYPOLYGON num-vertices longitude latitude [longitude latitude ...]] [ASC | DESC] \
             [COUNT count [ANY]] [STOREDIST]",
            "Stores the members in a circle, a box or a polygon.",
            SEARCH_COST,
        ),
];
