//! MODULE: there are none, and none can be loaded.

use resp::Args;

use super::rows::GROUP;
use crate::Ctx;
use crate::row::*;

/// MODULE LIST
fn list(ctx: &mut Ctx<'_>, _: Args<'_>) {
    ctx.out.array(0);
}

/// MODULE LOAD path [arg ...] and LOADEX
fn load(ctx: &mut Ctx<'_>, _: Args<'_>) {
    ctx.out.error("ERR Error loading the extension. Tandem has no modules.");
}

/// MODULE UNLOAD name
fn unload(ctx: &mut Ctx<'_>, _: Args<'_>) {
    ctx.out.error("ERR Error unloading module: no such module with that name");
}

pub(super) const fn module() -> CommandSpec {
    const FLAGS: u64 = ADMIN | NOSCRIPT;
    const SUBS: &[CommandSpec] = &[
        help("module|help", GROUP, "5.0.0"),
        data("module|list", 2, GROUP, "4.0.0", list)
            .flags(FLAGS)
            .tips(&["nondeterministic_output_order"])
            .doc("", "Returns the modules that are loaded, of which there are none.", "O(1)"),
        data("module|load", -3, GROUP, "4.0.0", load).flags(FLAGS | NO_ASYNC_LOADING).doc(
            "path [arg [arg ...]]",
            "Loads a module; refused.",
            "O(1)",
        ),
        data("module|loadex", -3, GROUP, "7.0.0", load).flags(FLAGS | NO_ASYNC_LOADING).doc(
            "path [CONFIG name value [CONFIG name value ...]] [ARGS args [args ...]]",
            "Loads a module with settings; refused.",
            "O(1)",
        ),
        data("module|unload", 3, GROUP, "4.0.0", unload).flags(FLAGS | NO_ASYNC_LOADING).doc(
            "name",
            "Unloads a module.",
            "O(1)",
        ),
    ];
    host("module", -2, GROUP, "4.0.0").flags(0).subs(SUBS).doc(
        "",
        "Modules, which Tandem does not have.",
        "Depends on the subcommand.",
    )
}
