//! What the shadow lane may take from the jobs beside it.

use std::io::Read;
use std::net::TcpListener;

use crate::queue_fixture::QueueFixture;

/// Notes how often the lane has gone to sleep.
const COUNT: &str = "
for task in /proc/$(cut -d' ' -f4 /proc/$PPID/stat)/task/*; do
    if grep -qx shadow-lane $task/comm; then
        sed -n 's/^voluntary_ctxt_switches:[[:space:]]*//p' $task/status >> $FIXTURE/slept
    fi
done";

const NO_WAIT: [(&str, &str); 4] = [
    ("AQ_FLEET", "1"),
    ("AQ_FLEET_SHADOW", "1"),
    ("AQ_FLEET_DRAIN", "0s"),
    ("AQ_FLEET_TIMEOUT", "60s"),
];

#[test]
fn jobs_do_not_wake_a_lane_that_waits_for_its_coordinator() {
    const BETWEEN: u64 = 30;
    let fixture = QueueFixture::new();
    fixture.pipes(&["asked"]);
    fixture.add("a", "", &format!("read go < $FIXTURE/asked{COUNT}"));
    for number in 0..BETWEEN {
        fixture.add(&format!("b-{number}"), "", "true");
    }
    fixture.add("c", "", COUNT);
    let coordinator = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", coordinator.local_addr().unwrap());
    let shadow = [&NO_WAIT[..], &[("AQ_FLEET_URL", &url)]].concat();
    let running = fixture.start(&["run", "--drain"], &shadow);
    let (mut connection, _) = coordinator.accept().unwrap();
    connection.read_exact(&mut [0]).unwrap();
    fixture.release("asked");
    let done = running.end();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let slept: Vec<u64> = fixture
        .lines("slept")
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
    let [before, after] = slept[..] else {
        panic!("{slept:?}")
    };
    assert!(after - before < BETWEEN / 2, "{before} {after}");
}
