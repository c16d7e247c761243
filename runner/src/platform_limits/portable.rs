//! The limits of the half that uses no call that Linux alone has.

use super::PlatformLimit;

const SESSION: &str = "a process that begins a session of its own, loses its parent, and hides its environment (a Mac hides that of its own programs) before the supervisor has looked at it once may outlive its job";
const OTHER_USER: &str =
    "a process that became another user's (`sudo`, a set-uid program) is not seen, and may outlive its job";

pub(super) const LIMITS: &[PlatformLimit] = &[
    limit(
        "O-6",
        "nothing survives, not even a grandchild in a session of its own",
        SESSION,
    ),
    limit(
        "O-6",
        "nothing survives, not what became another user's",
        OTHER_USER,
    ),
    limit(
        "O-7",
        "no second run starts while anything of the first is alive",
        "a job whose lock is held by a process that is not known as its own goes to `quarantine/`; one that has closed the lock, too, is not noticed",
    ),
    limit(
        "O-7",
        "the process in the detail of `orphan_unproven`",
        "the detail says that something holds the lock, not which process",
    ),
    limit("O-8", "no child survives", "the same as of O-6"),
    limit(
        "O-10",
        "a file counts when its writer has closed it, however slowly it is written",
        "nobody tells who has a file open, so a file that was put into `inbox/` by hand counts when it has not changed for 10 seconds; a writer that pauses longer is not waited for, so write the file elsewhere and move it there",
    ),
    limit(
        "T-3",
        "what was started ends while the runner is stopped",
        "after a suspension of the host it ends up to two seconds late",
    ),
    limit(
        "T-4",
        "KILL falls before the deadline of the lease",
        "not of a process as in O-6, and up to two seconds late after a suspension of the host",
    ),
    PlatformLimit {
        clause: None,
        part: "`add` refuses a file that is still being written",
        effect: "`add` takes the file as it is at that moment",
    },
    PlatformLimit {
        clause: None,
        part: "no other process of the user can look into an `aq` that has a token",
        effect: "other processes can read the environment that `aq` was started with, so put the token into a file (`AQ_FLEET_TOKEN_FILE`)",
    },
    PlatformLimit {
        clause: None,
        part: "`aq` as process 1 of a container collects orphans",
        effect: "it does not; start it below an init process",
    },
    PlatformLimit {
        clause: None,
        part: "an upgrade while a runner works",
        effect: "the supervisor of the next command is the new program at the same path, not the one that the runner was started from",
    },
];

const fn limit(clause: &'static str, part: &'static str, effect: &'static str) -> PlatformLimit {
    PlatformLimit {
        clause: Some(clause),
        part,
        effect,
    }
}
