//! Which of the processes of a host are taken for a command's, and which are not.

use super::*;

const SUPERVISOR: i32 = 100;
const COMMAND: i32 = 101;
const STARTED: u64 = 50;

fn process(pid: i32, parent: i32, group: i32, session: i32) -> ProcessStat {
    ProcessStat {
        pid,
        parent,
        group,
        session,
        start: STARTED + 1,
        is_dead: false,
    }
}

fn membership() -> TreeMembership {
    TreeMembership::below(&ProcessStat {
        start: STARTED,
        ..process(SUPERVISOR, 1, SUPERVISOR, SUPERVISOR)
    })
}

/// The command's processes among these, beside the supervisor and the command itself.
fn look(membership: &mut TreeMembership, others: &[ProcessStat], marked: &[i32]) -> Vec<i32> {
    let supervisor = process(SUPERVISOR, 1, SUPERVISOR, SUPERVISOR);
    let command = process(COMMAND, SUPERVISOR, COMMAND, SUPERVISOR);
    let all = [supervisor, command]
        .iter()
        .chain(others)
        .map(|stat| (stat.pid, stat.clone()))
        .collect();
    let found = membership.look(&all, |pid| marked.contains(&pid));
    assert!(found.contains(&(COMMAND, STARTED + 1)), "the command itself");
    let pids = found.into_iter().map(|(pid, _)| pid);
    pids.filter(|pid| *pid != COMMAND).collect()
}

#[test]
fn what_descends_from_the_supervisor_is_the_commands_and_strangers_are_not() {
    let all = [
        process(110, COMMAND, COMMAND, SUPERVISOR),
        process(111, 110, 111, 111),
        process(200, 1, 200, 200),
        process(201, 200, 201, 200),
    ];
    let mut membership = membership();
    assert_eq!(look(&mut membership, &all, &[]), [110, 111]);
    assert_eq!(*membership.roots(), BTreeSet::from([(COMMAND, STARTED + 1)]));
    let order: Vec<i32> = membership.deepest_first().iter().map(|(pid, _)| *pid).collect();
    assert_eq!(order, [111, 110, COMMAND]);
}

#[test]
fn an_orphan_is_found_by_its_session_its_group_or_its_mark() {
    let in_session = process(110, 1, 300, SUPERVISOR);
    let in_group = process(111, 1, COMMAND, SUPERVISOR);
    let marked = process(112, 1, 112, 112);
    let below_marked = process(113, 112, 113, 113);
    let hidden = process(114, 1, 114, 114);
    let all = [in_session, in_group, marked, below_marked, hidden];
    let mut membership = membership();
    assert_eq!(look(&mut membership, &all, &[112]), [110, 111, 112, 113]);
    let roots: Vec<i32> = membership.roots().iter().map(|(pid, _)| *pid).collect();
    assert_eq!(roots, [COMMAND, 110, 111, 112]);
}

#[test]
fn what_was_seen_once_is_recognised_without_its_parent_and_so_is_the_session_that_it_began() {
    let mut membership = membership();
    let began_session = process(110, COMMAND, 110, 110);
    assert_eq!(look(&mut membership, &[began_session], &[]), [110]);
    let orphan = process(110, 1, 110, 110);
    let born_since = process(111, 1, 111, 110);
    assert_eq!(
        look(&mut membership, &[orphan, born_since.clone()], &[]),
        [110, 111]
    );
    assert_eq!(
        look(&mut membership, &[born_since], &[]),
        [111],
        "its leader has ended"
    );
    let strangers = process(112, 1, 112, 110);
    assert_eq!(look(&mut membership, &[], &[]), Vec::<i32>::new());
    assert_eq!(
        look(&mut membership, &[strangers], &[]),
        Vec::<i32>::new(),
        "the number of the session was given away"
    );
}

#[test]
fn a_member_in_a_session_of_strangers_does_not_make_them_the_commands() {
    let all = [
        process(200, 1, 200, 200),
        process(201, 200, 201, 200),
        process(202, 1, 201, 200),
    ];
    assert_eq!(look(&mut membership(), &all, &[202]), [202]);
}

#[test]
fn a_number_that_was_given_away_and_what_is_older_than_the_supervisor_are_strangers() {
    let mut membership = membership();
    assert_eq!(
        look(
            &mut membership,
            &[process(110, COMMAND, COMMAND, SUPERVISOR)],
            &[]
        ),
        [110]
    );
    let another = ProcessStat {
        start: STARTED + 2,
        ..process(110, 1, 500, 500)
    };
    assert_eq!(look(&mut membership, &[another], &[]), Vec::<i32>::new());
    let older = ProcessStat {
        start: STARTED - 1,
        ..process(111, 1, 111, 111)
    };
    assert_eq!(look(&mut membership, &[older], &[111]), Vec::<i32>::new());
}

#[test]
fn a_supervisor_without_a_session_of_its_own_does_not_take_its_neighbours_for_the_commands() {
    let mut membership = TreeMembership::below(&ProcessStat {
        start: STARTED,
        ..process(SUPERVISOR, 1, SUPERVISOR, 7)
    });
    assert_eq!(
        look(&mut membership, &[process(110, 1, 110, 7)], &[]),
        Vec::<i32>::new()
    );
}
