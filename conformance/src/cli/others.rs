//! The two runs that are not of the scenario folder: the smoke scenarios, and the checks of a coordinator.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use conformance::coordinator::{self, Attendant, Reach, client::Client};
use conformance::drive::stop::Stop;
use conformance::report::event::{Case, End, Event, Started, VERSION};
use conformance::report::outputs::Reports;
use conformance::smoke;
use conformance::suite::{self, chain};

use super::invocation::Invocation;
use super::{BROKEN, Options, USAGE, fail, run, suite_for};

/// Runs the smoke scenarios; exit 2 where the profile is wrong, 1 where the runner is.
pub(super) fn smoke(options: &Options) -> ExitCode {
    let suite = match suite_for(options) {
        Ok(suite) => suite,
        Err(message) => return fail(BROKEN, &message),
    };
    let mut reports = match Reports::open(&run::wanted(options)) {
        Ok(reports) => reports,
        Err(error) => return fail(USAGE, &chain(&error)),
    };
    let began = Instant::now();
    let ids = smoke::scenarios().map(|(id, _)| id.to_owned()).collect();
    reports.take(Event::RunStarted(Box::new(run::started(
        &suite, "smoke", 1, ids, options,
    ))));
    let again = Invocation::of_this_process(options).with(&["smoke", "--keep"]);
    run::end_on_signals(&suite.stop);
    smoke::judge(&suite, |verdict| {
        let case = Case::of(verdict.clone(), None, again.clone());
        reports.take(Event::CaseEnded(Box::new(case)));
    });
    reports.end(end(&suite.stop), began.elapsed());
    ExitCode::from(reports.close())
}

/// Judges the coordinator at this address.
pub(super) fn coordinator(url: &str, token: Option<&Path>, observe: bool, options: &Options) -> ExitCode {
    let text = match token.map(std::fs::read_to_string).transpose() {
        Ok(text) => text.map(|token| token.trim().to_owned()),
        Err(error) => return fail(USAGE, &format!("the token file can't be read: {error}")),
    };
    let client = match Client::new(url, text) {
        Ok(client) => client,
        Err(error) => return fail(USAGE, &chain(&error)),
    };
    let mut reports = match Reports::open(&run::wanted(options)) {
        Ok(reports) => reports,
        Err(error) => return fail(USAGE, &chain(&error)),
    };
    let reach = if observe {
        Reach::Observe
    } else {
        Reach::Everything
    };
    let began = Instant::now();
    reports.take(Event::RunStarted(Box::new(Started {
        version: VERSION,
        command: "coordinator".into(),
        harness: env!("CARGO_PKG_VERSION").into(),
        at: suite::now(),
        subject: url.to_owned(),
        jobs: 1,
        cases: coordinator::ids(reach),
        ..Started::default()
    })));
    let mut words = vec!["coordinator", "--url", url];
    let token = token.map(|path| path.to_string_lossy());
    words.extend(
        token
            .as_deref()
            .map(|path| ["--token-file", path])
            .into_iter()
            .flatten(),
    );
    words.extend(observe.then_some("--observe"));
    let again = Invocation::of_this_process(options).with(&words);
    let attendant = Attendant {
        stop: Stop::default(),
        waits: Some(Arc::new(|ms| {
            eprintln!("conformance: waiting {ms} ms, so that a lease of the coordinator's comes to its end");
        })),
    };
    run::end_on_signals(&attendant.stop);
    coordinator::judge(&client, reach, &attendant, |verdict| {
        let case = Case::of(verdict.clone(), None, again.clone());
        reports.take(Event::CaseEnded(Box::new(case)));
    });
    reports.end(end(&attendant.stop), began.elapsed());
    ExitCode::from(reports.close())
}

fn end(stop: &Stop) -> End {
    match stop.asked() {
        true => End::Interrupted,
        false => End::Complete,
    }
}
