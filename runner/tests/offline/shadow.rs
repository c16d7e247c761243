//! What the shadow lane may take from the jobs beside it.

use crate::rig::Rig;

/// Goes on when its runner has a thread for the lane at a lower priority than its own.
const LOOK: &str = "
runner=$(cut -d' ' -f4 /proc/$PPID/stat)
own=$(cut -d' ' -f19 /proc/$runner/stat)
until cut -d' ' -f2,19 /proc/$runner/task/*/stat | grep -qx \"(shadow-lane) $((own + 10))\"; do :; done
echo $own $(cut -d' ' -f19 /proc/$$/stat) > $RIG/told";

#[test]
fn the_lane_has_a_lower_priority_than_the_jobs() {
    let rig = Rig::new();
    rig.add("a", "", LOOK);
    let shadow = [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_SHADOW", "1"),
        ("AQ_FLEET_URL", "http://127.0.0.1:1"),
        ("AQ_FLEET_DRAIN", "0s"),
    ];
    let done = rig.aq_with(&shadow, &["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let told = rig.lines("told").concat();
    let (runner, engine) = told.split_once(' ').unwrap();
    assert_eq!(runner, engine, "the engine's is the runner's");
}
