//! State that outlives the process, in a file.

use super::*;

#[test]
fn a_state_file_is_kept_across_restarts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    let first = busy(kept_in(&path));
    let (keyed, digest) = (keyed_claim(&first), first.digest());
    // What was answered is in the file, whatever ends the process: no orderly stop is waited for.
    let on_disk: Value = serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
    assert_eq!(on_disk["digest"], json!(digest));
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds tokens");
    drop(first);
    let second = start_with(&["a", "b", "c", "d"], kept_in(&path));
    goes_on(&second, &digest, &keyed);
    drop(second);
    let names: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(names, ["state.json"], "no scratch file is left");
}

#[test]
fn a_second_stub_on_a_state_file_is_refused_and_told_who_holds_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    // The first goes on undisturbed.
    let first = start_with(&["a"], kept_in(&path));
    for _ in 0..2 {
        let told = refusal(kept_in(&path));
        let holder = format!("kept by another stub (process {})", std::process::id());
        assert!(
            told.contains(&holder) && told.contains("give this one a file of its own"),
            "{told}"
        );
        assert!(claim(&first, "f").status < 300);
    }
    let digest = first.digest();
    // Whatever still holds on to a stub that has ended does not hold its file.
    let _guard = first
        .arm_guarded(stub_coordinator::Rule::on(
            "health",
            stub_coordinator::Fault::Reset,
        ))
        .expect("armed");
    first.stop();
    let second = start_with(&[], kept_in(&path));
    assert_eq!(second.digest(), digest);
}

#[test]
fn what_a_killed_stub_leaves_of_its_hold_keeps_nobody_out() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(".state.json.lock"), "process 1").expect("written");
    start_with(&["a"], kept_in(&folder.path().join("state.json")));
}

#[test]
fn a_state_that_cannot_be_written_is_told_of_by_health() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("made");
    let stub = start_with(&["a"], kept_in(&inner.join("state.json")));
    assert_eq!(get(&stub, "/_stub/health").json()["stateTrouble"], Value::Null);
    fs::remove_dir_all(&inner).expect("removed");
    assert_eq!(claim(&stub, "f").status, 200, "the API goes on");
    let trouble = get(&stub, "/_stub/health").json()["stateTrouble"].clone();
    assert!(
        trouble.as_str().is_some_and(|text| text.contains("No such file")),
        "{trouble}"
    );
}

#[test]
fn a_state_that_was_written_and_not_put_in_place_does_not_stay_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    let stub = start_with(&["a"], kept_in(&path));
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    assert_eq!(claim(&stub, "f").status, 200, "the API goes on");
    assert_ne!(get(&stub, "/_stub/health").json()["stateTrouble"], Value::Null);
    let entries = fs::read_dir(folder.path()).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, [".state.json.lock", "state.json"]);
}

#[test]
fn a_broken_state_file_is_refused_with_the_reason_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    drop(busy(kept_in(&path)));
    let whole = fs::read_to_string(&path).expect("a file");
    let half = &whole[..whole.len() / 2];
    let changed = whole.replace("\"shipped\"", "\"failed\"");
    for (text, reason) in [
        ("", "EOF"),
        ("{}", "missing field"),
        (half, "EOF"),
        (&changed, "does not add up"),
    ] {
        fs::write(&path, text).expect("written");
        let told = refusal(kept_in(&path));
        assert!(
            told.contains("is broken") && told.contains(reason),
            "{reason}: {told}"
        );
        assert_eq!(fs::read_to_string(&path).expect("a file"), text);
    }
}

#[test]
fn a_reset_goes_back_to_what_was_asked_for_and_not_to_an_earlier_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    drop(busy(kept_in(&path)));
    let stub = start_with(&["a", "b", "c", "d"], kept_in(&path));
    assert_eq!(stage_of(&stub, "a"), "shipped");
    stub.reset(stub_coordinator::ResetScope::State);
    assert_eq!(stage_of(&stub, "a"), "queued");
    drop(stub);
    assert_eq!(
        stage_of(&start_with(&[], kept_in(&path)), "a"),
        "queued",
        "the reset is kept as well"
    );
}

#[test]
fn c12_a_withdrawn_job_does_not_come_back_by_a_restart_though_it_is_asked_for_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    let first = start_with(&["a"], kept_in(&path));
    let lease = held(&claim(&first, "f"));
    assert_eq!(lease.release(&first).status, 200);
    assert_eq!(post(&first, "/v1/jobs/a/withdraw", &json!({})).status, 200);
    drop(first);
    let second = start_with(&["a"], kept_in(&path));
    assert_eq!(stage_of(&second, "a"), "withdrawn");
    assert_eq!(claim(&second, "f").status, 204);
    let again = json!({"id": "a", "engine": "sh", "body": "do it"});
    assert_eq!(post(&second, "/v1/jobs", &again).status, 201);
    drop(second);
    let third = start_with(&["a"], kept_in(&path));
    assert_eq!(held(&claim(&third, "f")).token, lease.token + 1);
}
