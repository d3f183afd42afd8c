//! SORT and SORT_RO.

mod options;
mod pattern;
mod run;

use crate::keys::Begin;
use crate::row::*;

const GROUP: &str = "generic";

/// Keys whose names come from the contents of others.
const BY_CONTENT: KeySpec = KeySpec::hidden(Begin::Unknown, RO | ACCESS).notes(
    "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort",
);

pub(crate) const ROWS: &[CommandSpec] = &[
    data("sort", -2, GROUP, "1.0.0", run::sort)
        .flags(WRITE | DENYOOM)
        .acl(Acl::SET.union(Acl::SORTEDSET).union(Acl::LIST).union(Acl::DANGEROUS))
        .keys(&[
            KeySpec::one(1, RO | ACCESS),
            BY_CONTENT,
            KeySpec::hidden(Begin::SortStore, OW | UPDATE).notes(
                "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array",
            ),
        ])
        .doc(
            "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] \
             [STORE destination]",
            "Sorts the elements of a list, a set or a sorted set; returns or stores them.",
            "O(N+M*log(M)), N being the number of elements, M that of the elements returned",
        ),
    data("sort_ro", -2, GROUP, "7.0.0", run::sort_ro)
        .flags(READONLY)
        .acl(Acl::SET.union(Acl::SORTEDSET).union(Acl::LIST).union(Acl::DANGEROUS))
        .keys(&[KeySpec::one(1, RO | ACCESS), BY_CONTENT])
        .doc(
            "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]",
            "Returns the sorted elements of a list, a set or a sorted set.",
            "O(N+M*log(M)), N being the number of elements, M that of the elements returned",
        ),
];
